package azure_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The server must notice what is wrong with a request, or the tests of the provider prove nothing about its requests.
func TestServerChecks(t *testing.T) {
	s, err := mock.Run(context.Background(), mock.Options{TokenLife: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const (
		vault    = "https://mock.vault.azure.net/keys/master-key/wrapkey?api-version=7.6"
		identity = "https://login.microsoftonline.com/" + mock.TenantID + "/oauth2/v2.0/token"
		metadata = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
	)
	bearer := func(resource string) map[string]string {
		return map[string]string{"Authorization": "Bearer " + s.Token(resource)}
	}
	good := `{"alg":"RSA-OAEP-256","value":"` + base64.RawURLEncoding.EncodeToString([]byte("data key")) + `"}`
	form := func(secret string) string {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {mock.ClientID}, "client_secret": {secret}, "scope": {"https://vault.azure.net/.default"}}.Encode()
	}
	for name, tt := range map[string]struct {
		url, body string
		headers   map[string]string
		status    int
	}{
		"wrap":             {vault, good, bearer("https://vault.azure.net"), 200},
		"no token":         {vault, good, nil, 401},
		"unknown token":    {vault, good, map[string]string{"Authorization": "Bearer x"}, 401},
		"another audience": {vault, good, bearer("https://managedhsm.azure.net"), 401},
		"no api-version":   {strings.TrimSuffix(vault, "?api-version=7.6"), good, bearer("https://vault.azure.net"), 400},
		"other algorithm":  {vault, strings.Replace(good, "-256", "", 1), bearer("https://vault.azure.net"), 400},
		"unknown version":  {strings.Replace(vault, "/wrapkey", "/1/wrapkey", 1), good, bearer("https://vault.azure.net"), 404},
		"not wrapped":      {strings.Replace(vault, "/wrapkey", "/unwrapkey", 1), good, bearer("https://vault.azure.net"), 400},
		"token":            {identity, form(mock.ClientSecret), nil, 200},
		"wrong secret":     {identity, form("x"), nil, 401},
		"wrong tenant":     {strings.Replace(identity, mock.TenantID, "x", 1), form(mock.ClientSecret), nil, 400},
		"metadata":         {metadata, "", map[string]string{"Metadata": "true"}, 200},
		"no header":        {metadata, "", nil, 400},
	} {
		method := http.MethodPost
		if tt.body == "" {
			method = http.MethodGet
		}
		r, err := http.NewRequest(method, tt.url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(tt.body, "client_id") {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for name, value := range tt.headers {
			r.Header.Set(name, value)
		}
		got, err := s.HTTPClient().Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var body map[string]any
		if err := json.NewDecoder(got.Body).Decode(&body); err != nil || got.StatusCode != tt.status {
			t.Errorf("%s: got status %d, %v, %v", name, got.StatusCode, body, err)
		}
		_ = got.Body.Close()
	}
}
