package cli

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser opens pages in headless Chromium, whose only way to any network is a proxy that notes what it is asked for.
type browser struct {
	program string
	dir     string
	proxy   *httptest.Server
	mu      sync.Mutex
	asked   []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{dir: t.TempDir()}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			b.program = found
			break
		}
	}
	if b.program == "" {
		t.Skip("no Chromium on this machine: on Debian, apt-get install chromium")
	}
	b.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !strings.HasSuffix(host, ".google.com") && !strings.HasSuffix(host, ".googleapis.com") { // the browser's own concerns
			b.asked = append(b.asked, host)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(b.proxy.Close)
	return b
}

// open gives the page's document as it is after it was loaded, and the hosts that were asked for meanwhile.
func (b *browser) open(t *testing.T, file string) (dom string, asked []string) {
	t.Helper()
	b.mu.Lock()
	b.asked = nil
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-default-apps", "--user-data-dir="+filepath.Join(b.dir, "profile"), "--proxy-server="+b.proxy.URL, "--proxy-bypass-list=<-loopback>",
		"--virtual-time-budget=2000", "--dump-dom", (&url.URL{Scheme: "file", Path: file}).String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", b.program, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(out), slices.Clone(b.asked)
}

// The page shows what was found, and asks nobody for anything, whatever fields are called.
func TestAuditPageInBrowser(t *testing.T) {
	b := newBrowser(t)
	a := newAudited(t, nil)
	if _, err := a.client.Database(a.db).Collection("hr").InsertOne(t.Context(), map[string]any{
		`</code><img src=http://leak/i><script src=http://leak/s></script><style>@import url(http://leak/c)</style>`: a.encrypt(t, a.key, canaryValue),
	}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := a.audit(t, "--key-vault", a.keyVault, "--html", "report.html"); code != 3 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	dom, asked := b.open(t, filepath.Join(a.dir, "report.html"))
	a.seen.WriteString(dom)
	if len(asked) > 0 {
		t.Errorf("the page asked for %v", asked)
	}
	for _, words := range []string{"<b>Problems found:</b>", "plaintext: 2", a.db + ".hr · ssn", `<rect class="plain"`, `<rect class="clean"`, "leak/i&gt;", a.id(t, a.key)} {
		if !strings.Contains(dom, words) {
			t.Errorf("the page lacks %q", words)
		}
	}
	for _, element := range []string{"<script", "<img", "<link", "<iframe"} {
		if strings.Contains(dom, element) {
			t.Errorf("the page has an element %s", element)
		}
	}

	// What the test would notice.
	leaky := filepath.Join(a.dir, "leaky.html")
	if err := os.WriteFile(leaky, []byte(`<img src=http://leak/i>`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, asked := b.open(t, leaky); !slices.Contains(asked, "leak") {
		t.Errorf("a page that loads an image asked for %v", asked)
	}
}
