package schema

// role is what a keyword is for.
type role int

const (
	structure   role = iota // leads to fields, or says what type they have
	annotation              // for people
	encryption              // what this package is about
	validation              // says which values are good
	logical                 // combines schemas, so that none of them is certain to apply
	array                   // speaks about elements of arrays
	unsupported             // JSON Schema has it, $jsonSchema does not
)

// local says whether a keyword may stand in a local schema.
func (r role) local() bool { return r == structure || r == annotation || r == encryption }

// shape is what a keyword's value holds, as far as that matters here. Zero is a literal: never looked into, so that what merely
// looks like "encrypt" inside an enum is data.
type shape int

const (
	one   shape = 1 << iota // a schema
	list                    // an array of schemas
	each                    // a document with a schema at every name
	names                   // with each: or an array of field names at a name
	flag                    // a bool
	text                    // a string
	types                   // a type name or an array of them, read by pinned
	meta                    // the options of encrypt and encryptMetadata, read by options
)

// barrier says why nothing below a keyword can be encrypted.
type barrier struct{ why, hint string }

// keyword is one row of the table.
type keyword struct {
	role  role
	holds shape
	bars  *barrier // nil: encrypt may stand below
}

var (
	conditional = &barrier{
		why:  "it would apply to some documents only",
		hint: "move the encrypted field out, under a 'properties' that applies to every document",
	}
	elements = &barrier{
		why:  "elements of arrays cannot be encrypted one by one",
		hint: `encrypt the array as a whole: {encrypt: {bsonType: "array", algorithm: "AEAD_AES_256_CBC_HMAC_SHA_512-Random", keyId: …}}`,
	}
)

// keywords is every JSON Schema keyword that $jsonSchema knows (MongoDB manual, page "$jsonSchema"), and those it leaves out.
var keywords = map[string]keyword{
	"properties":           {role: structure, holds: each},
	"patternProperties":    {role: structure, holds: each},
	"additionalProperties": {role: structure, holds: one | flag},
	"bsonType":             {role: structure, holds: types},
	"type":                 {role: structure, holds: types},

	"title":       {role: annotation, holds: text},
	"description": {role: annotation, holds: text},

	"encrypt":         {role: encryption, holds: meta},
	"encryptMetadata": {role: encryption, holds: meta},

	"allOf":        {role: logical, holds: list, bars: conditional},
	"anyOf":        {role: logical, holds: list, bars: conditional},
	"oneOf":        {role: logical, holds: list, bars: conditional},
	"not":          {role: logical, holds: one, bars: conditional},
	"dependencies": {role: logical, holds: each | names, bars: conditional},

	"items":           {role: array, holds: one | list, bars: elements},
	"additionalItems": {role: array, holds: one | flag, bars: elements},

	"enum":             {role: validation},
	"exclusiveMaximum": {role: validation},
	"exclusiveMinimum": {role: validation},
	"maximum":          {role: validation},
	"maxItems":         {role: validation},
	"maxLength":        {role: validation},
	"maxProperties":    {role: validation},
	"minimum":          {role: validation},
	"minItems":         {role: validation},
	"minLength":        {role: validation},
	"minProperties":    {role: validation},
	"multipleOf":       {role: validation},
	"pattern":          {role: validation},
	"required":         {role: validation},
	"uniqueItems":      {role: validation},

	"$ref":        {role: unsupported},
	"$schema":     {role: unsupported},
	"default":     {role: unsupported},
	"definitions": {role: unsupported},
	"format":      {role: unsupported},
	"id":          {role: unsupported},
}
