package kms_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// fake opens providers that remember what they were opened with.
type fake struct {
	name string
	err  error
}

type opened struct {
	kms.Provider
	id     kms.ID
	fields string
	config bson.Raw
}

func (f fake) Name() string { return f.name }

func (f fake) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	return &opened{id: id, fields: config.String(), config: config}, f.err
}

const canary = "CANARY-SECRET"

func TestOpen(t *testing.T) {
	p, err := kms.Open(map[string]map[string]any{
		"aws":      {"secretAccessKey": canary, "accessKeyId": "id"},
		"aws:b":    {"accessKeyId": "other"},
		"local:t1": {"key": []byte{1}},
		"gcp":      {}, // credentials from the environment
	}, fake{name: "aws"}, fake{name: "local"}, fake{name: "gcp"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"aws":      `{"accessKeyId": "id","secretAccessKey": "` + canary + `"}`,
		"aws:b":    `{"accessKeyId": "other"}`,
		"local:t1": `{"key": {"$binary":{"base64":"AQ==","subType":"00"}}}`,
		"gcp":      `{}`,
	} {
		got, err := p.Provider(id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		o := got.(*opened)
		if o.id.String() != id {
			t.Errorf("%s opened as %s", id, o.id)
		}
		if diff := cmp.Diff(want, o.fields); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", id, diff)
		}
		if strings.Contains(string(o.config), canary) {
			t.Errorf("%s: the configuration was not wiped", id)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		config map[string]map[string]any
		types  []kms.Type
		want   string
	}{
		"nothing":        {nil, nil, "no kms provider set"},
		"empty":          {map[string]map[string]any{}, nil, "no kms provider set"},
		"bad type":       {map[string]map[string]any{"foo": {"a": canary}}, nil, "unrecognized KMS provider \"foo\": unrecognized type."},
		"bad name":       {map[string]map[string]any{"aws:": {"a": canary}}, nil, "empty name."},
		"not passed in":  {map[string]map[string]any{"aws:a": {"a": canary}}, []kms.Type{fake{name: "gcp"}}, "KMS provider `aws:a`: no implementation given: import github.com/fieldcrypt/fieldcrypt/kms/aws and pass its Type"},
		"named empty":    {map[string]map[string]any{"aws:a": {}}, []kms.Type{fake{name: "aws"}}, "KMS provider `aws:a`: empty configuration"},
		"named nil":      {map[string]map[string]any{"aws:a": nil}, []kms.Type{fake{name: "aws"}}, "KMS provider `aws:a`: empty configuration"},
		"not BSON":       {map[string]map[string]any{"aws": {"f": func() string { return canary }}}, []kms.Type{fake{name: "aws"}}, `field "f": a func() string cannot be written as BSON`},
		"bad field name": {map[string]map[string]any{"aws": {"a\x00b": canary}}, []kms.Type{fake{name: "aws"}}, "cannot be written"},
		"refused":        {map[string]map[string]any{"aws": {"a": canary}}, []kms.Type{fake{"aws", errors.New("no region")}}, "KMS provider `aws`: no region"},
		"type twice":     {map[string]map[string]any{"aws": {"a": canary}}, []kms.Type{fake{name: "aws"}, fake{name: "aws"}}, "given twice"},
	} {
		p, err := kms.Open(tt.config, tt.types...)
		if p != nil || err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %q, want %q", name, err, tt.want)
		}
	}
}

func TestProviderNotConfigured(t *testing.T) {
	p, err := kms.Open(map[string]map[string]any{"local": {"key": 1}}, fake{name: "local"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"aws":             "KMS provider `aws` is not configured",
		"local:x":         "KMS provider `local:x` is not configured",
		"from the future": `KMS provider "from the future" is not configured`,
		"":                `KMS provider "" is not configured`,
	} {
		for _, set := range []*kms.Providers{p, nil} {
			if _, err := set.Provider(id); !errors.Is(err, kms.ErrNotConfigured) || err.Error() != want {
				t.Errorf("%q: got %v", id, err)
			}
		}
	}
}
