package aggmodel_test

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
)

func Example() {
	collections := map[string][]bson.D{
		"people": {{{Key: "city", Value: "Oslo"}}, {{Key: "city", Value: "Bergen"}}, {{Key: "city", Value: "Oslo"}}},
	}
	pipeline := bson.A{bson.D{{Key: "$sortByCount", Value: "$city"}}}
	docs, err := aggmodel.Evaluate(pipeline, "people", collections)
	if err != nil {
		fmt.Println(err)
	}
	for _, doc := range docs {
		fmt.Println(doc)
	}
	// Output:
	// {"_id": "Oslo","count": {"$numberInt":"2"}}
	// {"_id": "Bergen","count": {"$numberInt":"1"}}
}
