package kms_test

import (
	"fmt"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

func ExampleParseID() {
	id, err := kms.ParseID("aws:prod")
	fmt.Println(id.Type, id.Name, err)
	_, err = kms.ParseID("aws:")
	fmt.Println(err)
	// Output:
	// aws prod <nil>
	// unrecognized KMS provider "aws:": empty name.
}
