package sensitive_test

import (
	"fmt"

	"github.com/fieldcrypt/fieldcrypt/audit/sensitive"
)

func ExampleFind() {
	detectors := sensitive.Detectors()
	for _, text := range []string{"4111 1111 1111 1111", "4111 1111 1111 1112", "jane@example.org"} {
		if found, ok := sensitive.Find(detectors, text); ok {
			fmt.Println(detectors[found].Name)
		} else {
			fmt.Println("nothing")
		}
	}
	// Output:
	// card number
	// nothing
	// e-mail address
}
