// Package sensitive guesses which fields of a database hold personal or secret data: by the form of their values (card numbers, IBANs, e-mail
// addresses, national ids with their check digits) and by their names.
//
// A detector looks at one whole value; it does not search in running text, where digits mean anything. Check digits are what keeps it from
// crying wolf: of random numbers with 16 digits about one in fifty passes for a card number, so whoever uses a detector should want several
// hits at one field, and a good share of all values there (package audit does).
//
// It is a guess: a name or a format that nobody thought of is not found.
package sensitive
