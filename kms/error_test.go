package kms_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

func TestError(t *testing.T) {
	for _, tt := range []struct {
		err  kms.Error
		want string
	}{
		{kms.Error{Provider: "kmip", Operation: "Connect"}, "KMS provider `kmip`: Connect"},
		{kms.Error{Provider: "aws:prod", Operation: "Decrypt", Key: "alias/a\n", Endpoint: "us-east-1", Status: 400, Code: "AccessDeniedException", Message: "no", Cause: kms.ErrDenied},
			"KMS provider `aws:prod`: Decrypt with key \"alias/a\\n\" at \"us-east-1\": AccessDeniedException: no (HTTP status 400)"},
		{kms.Error{Provider: "azure", Operation: "unwrapKey", Key: "k", Endpoint: "a.vault.azure.net", Message: "connection refused", CanRetry: true},
			"KMS provider `azure`: unwrapKey with key \"k\" at \"a.vault.azure.net\": connection refused; it may work later"},
	} {
		if diff := cmp.Diff(tt.want, tt.err.Error()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if tt.err.Temporary() != tt.err.CanRetry {
			t.Errorf("%v: temporary %v", &tt.err, tt.err.Temporary())
		}
	}
	for _, cause := range []error{kms.ErrDenied, context.Canceled, context.DeadlineExceeded} {
		if !errors.Is(&kms.Error{Cause: cause}, cause) {
			t.Errorf("does not wrap %v", cause)
		}
	}
	if errors.Is(&kms.Error{}, kms.ErrDenied) {
		t.Error("a denial without cause")
	}
	if n := len((&kms.Error{Key: strings.Repeat("k", 1<<20), Endpoint: strings.Repeat("e", 1<<20)}).Error()); n > 500 {
		t.Errorf("%d bytes", n)
	}
}
