package gcp

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

// The metadata server goes by its address, as in Google's own libraries: no name server can send the question elsewhere.
const (
	metadataHost = "169.254.169.254"
	metadataPath = "/computeMetadata/v1/instance/service-accounts/default/token"
	dialTimeout  = 2 * time.Second // elsewhere than at Google nobody may answer at all
)

// defaults looks where Application Default Credentials are, in their order, whenever a token is needed: files may come and change. Google's
// library looks too, but would find out by a request that no context ends whether there is a metadata server.
func (t Type) defaults(client *http.Client) (source, error) {
	direct := t.metadata
	if direct == nil {
		direct = &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, DisableKeepAlives: true} // and no proxy
	}
	metadata, err := kmsconfig.HTTPClient(nil, direct, nil)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (token, error) {
		if file := credentialsFile(); file != "" {
			return fromFile(ctx, file, client)
		}
		return fromMetadata(ctx, metadata)
	}, nil
}

// credentialsFile is empty when there is none.
func credentialsFile() string {
	if file := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); file != "" {
		return file
	}
	folder := os.Getenv("APPDATA")
	if runtime.GOOS != "windows" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		folder = filepath.Join(home, ".config")
	}
	file := filepath.Join(folder, "gcloud", "application_default_credentials.json")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

func fromFile(ctx context.Context, file string, client *http.Client) (token, error) {
	found, err := credentials.DetectDefault(&credentials.DetectOptions{
		CredentialsFile: file,
		Scopes:          []string{scope},
		Client:          client,
		Logger:          slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return token{}, &tokenError{from: file, message: err.Error()}
	}
	got, err := found.Token(ctx)
	if err != nil {
		return token{}, newTokenError(file, err)
	}
	t, err := usable(file, got)
	if err != nil {
		return token{}, err
	}
	t.quotaProject, err = found.QuotaProjectID(ctx)
	if err != nil || t.quotaProject != "" && !isToken(t.quotaProject) {
		return token{}, &tokenError{from: file, message: "its quota project is not a project's id"}
	}
	return t, nil
}

func fromMetadata(ctx context.Context, client *http.Client) (token, error) {
	at := os.Getenv("GCE_METADATA_HOST")
	if at == "" {
		at = metadataHost
	}
	from := "the metadata server at " + at + ", for there is no credentials file"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+metadataPath, nil)
	if err != nil {
		return token{}, &tokenError{from: from, message: "GCE_METADATA_HOST is not host[:port]"}
	}
	r.Header.Set("Metadata-Flavor", "Google")
	reply, err := client.Do(r)
	if err != nil {
		return token{}, newTokenError(from, err)
	}
	defer func() { _ = reply.Body.Close() }() // only read
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return token{}, newTokenError(from, err)
	}
	if reply.StatusCode != http.StatusOK {
		return token{}, &tokenError{from: from, status: reply.StatusCode, message: string(body)}
	}
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // in seconds
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return token{}, newTokenError(from, err)
	}
	// Without expires_in the token is good for now, as with the official drivers.
	return usable(from, &auth.Token{Value: got.AccessToken, Expiry: time.Now().Add(time.Duration(got.ExpiresIn) * time.Second)})
}
