package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// golden is one question, with what both sides answered when it was written.
type golden struct {
	Kind          kind          `json:"kind"`
	Detail        string        `json:"detail"`
	Difference    string        `json:"difference"` // the name of one that is meant to be; empty: there must be none
	Algorithm     string        `json:"algorithm,omitempty"`
	Key           int           `json:"key"`
	ByName        bool          `json:"byName,omitempty"`
	Exact         bool          `json:"exact,omitempty"`
	Own           *goldenSchema `json:"schema,omitempty"`
	Other         *goldenSchema `json:"otherSchema,omitempty"`
	Document      document      `json:"document"`
	Library       string        `json:"library"`
	Fieldcrypt    goldenAnswer  `json:"fieldcrypt"`
	Libmongocrypt goldenAnswer  `json:"libmongocrypt"`
}

type goldenSchema struct {
	Document document `json:"document"`
	Remote   bool     `json:"remote"`
}

type goldenAnswer struct {
	Refused string   `json:"refused,omitempty"`
	Given   document `json:"given,omitempty"`
	Opened  document `json:"opened,omitempty"`
}

// document is written as canonical Extended JSON; where that cannot say it, byte for byte, as {"bytes": base64}.
type document bson.Raw

type documentBytes struct {
	Bytes []byte `json:"bytes"`
}

func (d document) MarshalJSON() ([]byte, error) {
	if d == nil {
		return []byte("null"), nil
	}
	text, err := bson.MarshalExtJSON(bson.Raw(d), true, false)
	if err == nil {
		var back bson.Raw
		if err := bson.UnmarshalExtJSON(text, true, &back); err == nil && bytes.Equal(back, d) {
			return text, nil
		}
	}
	return json.Marshal(documentBytes{d})
}

func (d *document) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	var b documentBytes
	if err := json.Unmarshal(text, &b); err == nil && b.Bytes != nil {
		*d = b.Bytes
		return nil
	}
	var raw bson.Raw
	err := bson.UnmarshalExtJSON(text, true, &raw)
	*d = document(raw)
	return err
}

func (f finding) golden() *golden {
	q := f.question
	g := &golden{
		Kind: q.kind, Detail: q.detail, Difference: f.difference, Key: q.key, ByName: q.byName, Exact: q.exact, Document: document(q.document),
		Library: f.sides.library.Version(), Fieldcrypt: f.ours.golden(), Libmongocrypt: f.theirs.golden(),
	}
	if q.algorithm != 0 {
		g.Algorithm = q.algorithm.String()
	}
	if f.sides.own != nil {
		g.Own = &goldenSchema{document(f.sides.own.Document), f.sides.own.Remote}
		g.Other = &goldenSchema{document(f.sides.other.Document), f.sides.other.Remote}
	}
	return g
}

func (a answer) golden() goldenAnswer {
	if a.err != nil {
		return goldenAnswer{Refused: a.err.Error()}
	}
	return goldenAnswer{Given: document(a.given), Opened: document(a.opened)}
}

func (a goldenAnswer) answer() answer {
	if a.Refused != "" {
		return refusal(errors.New(a.Refused))
	}
	return answer{given: bson.Raw(a.Given), opened: bson.Raw(a.Opened)}
}

func (g *golden) question() (*question, error) {
	q := &question{kind: g.Kind, detail: g.Detail, document: bson.Raw(g.Document), key: g.Key, byName: g.ByName, exact: g.Exact}
	if g.Algorithm == "" {
		return q, nil
	}
	var err error
	q.algorithm, err = payload.ParseAlgorithm(g.Algorithm)
	return q, err
}

func (m *goldenSchema) schema() *draw.Schema {
	if m == nil {
		return nil
	}
	return &draw.Schema{Document: bson.Raw(m.Document), Remote: m.Remote}
}

// write puts the golden into folder, under a name of its own.
func (g *golden) write(folder string) (string, error) {
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%.4x.json", goldenName(g.Kind, g.Difference), sha256.Sum256(g.Document))
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	return path, os.WriteFile(path, append(text, '\n'), 0o666)
}

// goldenName is the name of a golden's file, without what sets it apart from others alike.
func goldenName(k kind, difference string) string {
	if difference == "" {
		difference = "disagreement"
	}
	return strings.ReplaceAll(difference, " ", "-") + "-" + string(k)
}

// pinned are the names of the goldens in folder.
func pinned(folder string) map[string]bool {
	found := map[string]bool{}
	paths, _ := filepath.Glob(filepath.Join(folder, "*-*.json"))
	for _, path := range paths {
		name := filepath.Base(path)
		found[name[:strings.LastIndex(name, "-")]] = true
	}
	return found
}

func readGolden(path string) (*golden, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g := &golden{}
	return g, json.Unmarshal(text, g)
}
