package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

var ruleGeoNear = &rule{"geo-near-on-encrypted", "$geoNear cannot read places from an encrypted field, nor write over one",
	"store the place in a field that is not encrypted, and give distanceField and includeLocs names of their own", 0}

// geoNear writes $geoNear. What it adds to the documents is plain.
func (p *pipeline) geoNear(dst []byte, e bsonraw.Element) ([]byte, error) {
	return p.fields(dst, e, func(dst []byte, f bsonraw.Element) (out []byte, err error) {
		v := f.RawValue()
		switch name := string(f.Key); name {
		case "query":
			return p.query(bsonraw.AppendKey(dst, f.Type, f.Key), v)
		case "key", "distanceField", "includeLocs":
			_, err = p.stagePath(p.root, v, "$geoNear."+name)
			return append(dst, f.Raw...), err
		case "near", "maxDistance", "minDistance", "distanceMultiplier":
			return p.geoNearValue(dst, f)
		case "spherical", "uniqueDocs":
			return p.keep(dst, f, v.Type == bson.TypeBoolean || isNumber(v))
		case "limit", "num":
			return p.keep(dst, f, isNumber(v))
		default:
			return nil, p.refuse(ruleStageField, name)
		}
	})
}

// geoNearValue writes a place or a distance: mostly a literal, in which some servers know no {$const: …}.
func (p *pipeline) geoNearValue(dst []byte, e bsonraw.Element) ([]byte, error) {
	dst, _, err := p.value(dst, e.Key, e.RawValue(), bare, byName(stageOperands, "$geoNear.near"), "$geoNear")
	return dst, err
}
