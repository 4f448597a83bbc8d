package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// That versions could not be told is said besides the problems, and is none.
func TestCheckReport(t *testing.T) {
	report := &fieldcrypt.KeyVaultReport{
		Documents: 4, Index: keyvault.IndexPartial,
		UnknownVersions: map[string]fieldcrypt.UnknownVersions{
			"vault:b": {Keys: 2, Reason: errors.New("permission denied\x1b for SENTINEL")}, "aws": {Keys: 1},
		},
	}
	if !report.OK() {
		t.Error("unknown versions are a problem")
	}
	sick := *report
	sick.Counts = map[fieldcrypt.KeyVaultProblem]int64{fieldcrypt.OldMasterKey: 2}
	sick.Findings = []fieldcrypt.KeyVaultFinding{{Problem: fieldcrypt.OldMasterKey, KeyID: someID, Provider: "vault", Err: errors.New("wrapped under version 1")}}

	const unknownText = "master key version unknown: 1 data key of aws\n" + `master key version unknown: 2 data keys of vault:b: "permission denied\x1b for ***"` + "\n"
	const unknownJSON = `"unknownVersions":[{"provider":"aws","keys":1},{"provider":"vault:b","keys":2,"reason":"permission denied\u001b for ***"}]}` + "\n"
	id := someID.String()
	for name, tt := range map[string]struct {
		report *fieldcrypt.KeyVaultReport
		format format
		want   string
	}{
		"healthy table": {report, table, unknownText + "db.keys: 4 documents, index on keyAltNames: partial, no problem found\n"},
		"healthy JSON": {report, extJSON,
			`{"keyVault":"db.keys","documents":4,"index":"partial","complete":true,"counts":{},"findings":[],` + unknownJSON},
		"healthy ids": {report, idsOnly, ""},
		"sick table": {&sick, table, "old master key: " + id + ": wrapped under version 1\nand 1 more\n" + unknownText +
			"db.keys: 4 documents, index on keyAltNames: partial, 2 problems found\n"},
		"sick JSON": {&sick, extJSON, `{"keyVault":"db.keys","documents":4,"index":"partial","complete":true,"counts":{"old master key":2},` +
			`"findings":[{"problem":"old master key","keyId":{"$uuid":"` + id + `"},"provider":"vault","reason":"wrapped under version 1"}],` + unknownJSON},
		"sick ids": {&sick, idsOnly, id + "\n"},
	} {
		var out bytes.Buffer
		s := &keysSession{
			screen: screen{out: &out, format: tt.format}, flags: &keysFlags{keyVault: "db.keys"},
			providers: &kmsProviders{secrets: secrets{"SENTINEL"}},
		}
		if err := s.report(tt.report, true); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
