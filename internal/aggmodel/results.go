package aggmodel

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// SameResults says whether two lists of documents are the same, byte for byte: in the same order, or, when ordered is false, in any.
func SameResults(a, b []bson.Raw, ordered bool) bool { return DiffResults(a, b, ordered) == "" }

// DiffResults is what SameResults finds, to be read: a line of Extended JSON for each document, with "-" for one that is in a only and
// "+" for one that is in b only. It is empty when the results are the same. The lines hold the values of the documents.
func DiffResults(a, b []bson.Raw, ordered bool) string {
	var diff strings.Builder
	if ordered {
		for i := range max(len(a), len(b)) {
			if i < len(a) && i < len(b) && bytes.Equal(a[i], b[i]) {
				continue
			}
			writeLines(&diff, fmt.Sprintf("-%d ", i), a[min(i, len(a)):min(i+1, len(a))])
			writeLines(&diff, fmt.Sprintf("+%d ", i), b[min(i, len(b)):min(i+1, len(b))])
		}
		return diff.String()
	}
	writeLines(&diff, "- ", without(a, b))
	writeLines(&diff, "+ ", without(b, a))
	return diff.String()
}

// without is docs without those in others, each of which takes away one.
func without(docs, others []bson.Raw) []bson.Raw {
	docs = slices.Clone(docs)
	for _, other := range others {
		if i := slices.IndexFunc(docs, func(doc bson.Raw) bool { return bytes.Equal(doc, other) }); i >= 0 {
			docs = slices.Delete(docs, i, i+1)
		}
	}
	return docs
}

func writeLines(w *strings.Builder, prefix string, docs []bson.Raw) {
	for _, doc := range docs {
		fmt.Fprintf(w, "%s%s\n", prefix, doc)
	}
}
