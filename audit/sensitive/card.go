package sensitive

// issuers are the ranges of the first six digits, and the lengths, of payment cards (ISO/IEC 7812) in use.
var issuers = []struct {
	from, to int64
	lengths  []int
}{
	{222100, 272099, []int{16}},             // Mastercard
	{300000, 305999, []int{14}},             // Diners Club
	{340000, 349999, []int{15}},             // American Express
	{352800, 358999, []int{16}},             // JCB
	{360000, 369999, []int{14}},             // Diners Club
	{370000, 379999, []int{15}},             // American Express
	{380000, 399999, []int{14, 16}},         // Diners Club
	{400000, 499999, []int{13, 16, 19}},     // Visa
	{500000, 509999, []int{16}},             // Maestro
	{510000, 559999, []int{16}},             // Mastercard
	{560000, 599999, []int{16}},             // Maestro
	{601100, 601199, []int{16, 19}},         // Discover
	{620000, 629999, []int{16, 17, 18, 19}}, // UnionPay
	{639000, 639099, []int{16}},             // Maestro
	{644000, 659999, []int{16, 19}},         // Discover
	{670000, 679999, []int{16}},             // Maestro
}

// isCardNumber wants an issuer's prefix and length, and Luhn's check digit. Groups may be set off by spaces or hyphens.
func isCardNumber(text string) bool {
	d, ok := digits(text, " -", 19)
	if !ok || len(d) < 13 || !luhn(d) {
		return false
	}
	prefix := number(d[:6])
	for _, r := range issuers {
		if prefix < r.from || prefix > r.to {
			continue
		}
		for _, n := range r.lengths {
			if n == len(d) {
				return true
			}
		}
	}
	return false
}

// luhn checks the last of the digits (ISO/IEC 7812-1, annex B).
func luhn(d string) bool {
	sum := 0
	for i := range len(d) {
		n := int(d[len(d)-1-i])
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}
