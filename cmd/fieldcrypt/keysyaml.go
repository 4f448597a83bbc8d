package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlLine = regexp.MustCompile(`line \d+`)

// yamlToJSON writes YAML as JSON, so that both spellings are read by the same rules. Errors tell the line and never a value. Anchors and
// aliases, with which a few lines can become gigabytes, are refused.
func yamlToJSON(text []byte) ([]byte, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil || len(doc.Content) == 0 {
		if line := yamlLine.FindString(fmt.Sprint(err)); line != "" {
			return nil, fmt.Errorf("%s: not YAML", line)
		}
		return nil, errors.New("expected a document, got nothing that is Extended JSON or YAML")
	}
	if dec.Decode(&more) == nil {
		return nil, errors.New("expected one document, got more")
	}
	var b bytes.Buffer
	if err := appendYAML(&b, doc.Content[0], 0); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func appendYAML(b *bytes.Buffer, n *yaml.Node, depth int) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
	}
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode:
		return bad("anchors and aliases are not supported")
	case depth > maxNesting:
		return bad("nests deeper than %d levels", maxNesting)
	case n.Kind == yaml.ScalarNode:
		return appendScalar(b, n, bad)
	}
	open, end, step := byte('['), byte(']'), 1
	if n.Kind == yaml.MappingNode {
		open, end, step = '{', '}', 2
	}
	b.WriteByte(open)
	for i, child := range n.Content {
		switch {
		case i == 0:
		case i%step != 0:
			b.WriteByte(':')
		default:
			b.WriteByte(',')
		}
		if step == 2 && i%2 == 0 && (child.Kind != yaml.ScalarNode || child.ShortTag() != "!!str") {
			return bad("expected names of fields that are strings")
		}
		if err := appendYAML(b, child, depth+1); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

func appendScalar(b *bytes.Buffer, n *yaml.Node, bad func(string, ...any) error) error {
	var value any
	switch tag := n.ShortTag(); tag {
	case "!!str":
		value = n.Value
	case "!!binary":
		value = map[string]any{"$binary": map[string]string{"base64": strings.Join(strings.Fields(n.Value), ""), "subType": "00"}}
	case "!!int", "!!bool", "!!null":
		if n.Decode(&value) != nil {
			return bad("the value is out of range")
		}
	default:
		return bad("expected text, an integer, true, false or binary; put text in quotes that looks like something else")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return bad("the value cannot be read")
	}
	b.Write(text)
	return nil
}
