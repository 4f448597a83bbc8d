package page_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/audit/page"
)

func ExampleWrite() {
	report := &audit.Report{Server: "db.example.org", Version: "v1.0.0", Complete: true} // of audit.Run
	var html bytes.Buffer
	if err := page.Write(&html, report); err != nil {
		panic(err)
	}
	fmt.Println(strings.Contains(html.String(), "<title>Encryption audit of db.example.org</title>"))
	// Output: true
}
