package schema

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var (
	marshalsDocument = reflect.TypeFor[bson.Marshaler]()
	marshalsValue    = reflect.TypeFor[bson.ValueMarshaler]()
	byteType         = reflect.TypeFor[byte]()
	elementType      = reflect.TypeFor[bson.E]()
	documentType     = reflect.TypeFor[bson.D]()
)

// driverType is the BSON type that the driver has for one Go type, whatever its kind; 0 when it depends on the value.
func driverType(t reflect.Type) (bt bson.Type, known bool) {
	switch t {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[bson.DateTime]():
		return bson.TypeDateTime, true
	case reflect.TypeFor[bson.ObjectID]():
		return bson.TypeObjectID, true
	case reflect.TypeFor[bson.Decimal128]():
		return bson.TypeDecimal128, true
	case reflect.TypeFor[url.URL]():
		return bson.TypeString, true
	case reflect.TypeFor[bson.JavaScript]():
		return bson.TypeJavaScript, true
	case reflect.TypeFor[bson.CodeWithScope]():
		return bson.TypeCodeWithScope, true
	case reflect.TypeFor[bson.Symbol]():
		return bson.TypeSymbol, true
	case reflect.TypeFor[bson.Binary](), reflect.TypeFor[bson.Vector]():
		return bson.TypeBinary, true
	case reflect.TypeFor[bson.Regex]():
		return bson.TypeRegex, true
	case reflect.TypeFor[bson.DBPointer]():
		return bson.TypeDBPointer, true
	case reflect.TypeFor[bson.Timestamp]():
		return bson.TypeTimestamp, true
	case reflect.TypeFor[bson.Raw](), documentType:
		return bson.TypeEmbeddedDocument, true
	case reflect.TypeFor[bson.Undefined]():
		return bson.TypeUndefined, true
	case reflect.TypeFor[bson.Null]():
		return bson.TypeNull, true
	case reflect.TypeFor[bson.MinKey]():
		return bson.TypeMinKey, true
	case reflect.TypeFor[bson.MaxKey]():
		return bson.TypeMaxKey, true
	case reflect.TypeFor[bson.RawValue](), reflect.TypeFor[json.Number]():
		return 0, true
	}
	// The driver's own low-level documents; nobody else may import them.
	return 0, strings.HasSuffix(t.PkgPath(), "/mongo-driver/v2/x/bsonx/bsoncore")
}

func isTypeOfDriver(t reflect.Type) bool {
	_, is := driverType(t)
	return is
}

// ownBSON says whether a type, or a pointer to it, encodes itself.
func ownBSON(t reflect.Type) bool {
	if isTypeOfDriver(t) {
		return false
	}
	p := reflect.PointerTo(t)
	return t.Kind() != reflect.Interface && (p.Implements(marshalsDocument) || p.Implements(marshalsValue))
}

// bsonTypes are the BSON types in which the driver's encoder writes values of t, null for nil aside; known is false when the type does not tell.
func bsonTypes(t reflect.Type, minSize bool) (types []bson.Type, known bool) {
	t = pointee(t)
	if bt, is := driverType(t); is {
		return []bson.Type{bt}, bt != 0
	}
	if ownBSON(t) {
		if reflect.PointerTo(t).Implements(marshalsValue) {
			return nil, false
		}
		return []bson.Type{bson.TypeEmbeddedDocument}, true // MarshalBSON makes documents
	}
	number := []bson.Type{bson.TypeInt64}
	if minSize {
		number = []bson.Type{bson.TypeInt32, bson.TypeInt64}
	}
	switch t.Kind() {
	case reflect.Bool:
		return []bson.Type{bson.TypeBoolean}, true
	case reflect.String:
		return []bson.Type{bson.TypeString}, true
	case reflect.Int:
		return []bson.Type{bson.TypeInt32, bson.TypeInt64}, true
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16:
		return []bson.Type{bson.TypeInt32}, true
	case reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return number, true
	case reflect.Float32, reflect.Float64:
		return []bson.Type{bson.TypeDouble}, true
	case reflect.Struct, reflect.Map:
		return []bson.Type{bson.TypeEmbeddedDocument}, true
	case reflect.Slice, reflect.Array:
		return []bson.Type{listType(t)}, true
	}
	return nil, false
}

func listType(t reflect.Type) bson.Type {
	switch {
	case t.Elem() == byteType:
		return bson.TypeBinary
	case t.Elem() == elementType, t.ConvertibleTo(documentType):
		return bson.TypeEmbeddedDocument
	}
	return bson.TypeArray
}

// encodable says whether the driver has any encoding for t.
func encodable(t reflect.Type) bool {
	t = pointee(t)
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.Uintptr, reflect.UnsafePointer:
		return ownBSON(t)
	}
	return true
}

func mayBeNull(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return true
	}
	return false
}

func pointee(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
