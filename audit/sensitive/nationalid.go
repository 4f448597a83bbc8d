package sensitive

import "strings"

// isSSN takes social security numbers of the United States as they are written, NNN-NN-NNNN; nine digits without hyphens are too common.
// Areas 000, 666 and 900 to 999, group 00 and serial 0000 are never given (Social Security Administration, RM 10201.035).
func isSSN(text string) bool {
	if len(text) != 11 || text[3] != text[6] || text[3] != '-' && text[3] != ' ' {
		return false
	}
	d, ok := digits(text, "- ", 9)
	if !ok || len(d) != 9 || uniform(d) {
		return false
	}
	area := number(d[:3])
	return area != 0 && area != 666 && area < 900 && number(d[3:5]) != 0 && number(d[5:]) != 0
}

// isCPF checks both check digits of a Brazilian CPF, NNN.NNN.NNN-NN.
func isCPF(text string) bool {
	d, ok := digits(text, ".-", 11)
	if !ok || len(d) != 11 || uniform(d) {
		return false
	}
	first := weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2) * 10 % 11 % 10
	second := weighted(d, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2) * 10 % 11 % 10
	return first == int(d[9]) && second == int(d[10])
}

// isNIR checks the key of a French NIR (INSEE number): sex, year, month, then ten digits and 97 less their remainder. Corsica's
// departments are written 2A and 2B.
func isNIR(text string) bool {
	const width, spaces = 15, 7
	if len(text) < width || len(text) > width+spaces || text[0] != '1' && text[0] != '2' {
		return false
	}
	compact := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	if len(compact) != width {
		return false
	}
	less := int64(0)
	switch compact[5:7] {
	case "2A":
		less = 1000000
	case "2B":
		less = 2000000
	}
	if less > 0 {
		compact = compact[:5] + "20" + compact[7:]
	}
	d, ok := digits(compact, "", 15)
	if !ok {
		return false
	}
	month := number(d[3:5])
	if month == 0 || month > 12 && (month < 20 || month > 42) && month < 50 {
		return false
	}
	return 97-(number(d[:13])-less)%97 == number(d[13:])
}

// isGermanTaxID checks a Steuer-Identifikationsnummer: eleven digits, the first not 0, exactly one of the first ten twice or thrice, and
// the check digit of ISO 7064, MOD 11,10.
func isGermanTaxID(text string) bool {
	d, ok := digits(text, " ", 11)
	if !ok || len(d) != 11 || d[0] == 0 {
		return false
	}
	var count [10]int
	repeated, product := 0, 10
	for i := range 10 {
		count[d[i]]++
		sum := (int(d[i]) + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	for _, n := range count {
		if n > 3 {
			return false
		}
		if n > 1 {
			repeated++
		}
	}
	return repeated == 1 && (11-product)%10 == int(d[10])
}

// isPESEL checks a Polish PESEL: date of birth, with the century in the month, and the check digit.
func isPESEL(text string) bool {
	d, ok := digits(text, "", 11)
	if !ok || len(d) != 11 {
		return false
	}
	month, day := number(d[2:4])%20, number(d[4:6])
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	return (10-weighted(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)%10)%10 == int(d[10])
}

// isDNI checks the letter of a Spanish DNI (8 digits) or NIE (X, Y or Z and 7 digits).
func isDNI(text string) bool {
	const width, hyphens = 9, 2
	if len(text) < width || len(text) > width+hyphens {
		return false
	}
	compact := strings.ToUpper(strings.ReplaceAll(text, "-", ""))
	if len(compact) != width {
		return false
	}
	body := []byte(compact[:8])
	if at := strings.IndexByte("XYZ", body[0]); at >= 0 {
		body[0] = '0' + byte(at)
	}
	d, ok := digits(string(body), "", 8)
	return ok && number(d) != 0 && "TRWAGMYFPDXBNJZSQVHLCKE"[number(d)%23] == compact[8]
}

// isCodiceFiscale checks the letter of an Italian codice fiscale of a person: six letters, year, month, day, town, check letter. Digits
// may be replaced by letters where two people would have the same (omocodia).
func isCodiceFiscale(text string) bool {
	const (
		odd       = "BAFHJNPRTVCESULDGIMOQKWZYX" // what the characters 0 to 9 and A to Z count in odd places: A is 0
		omocodia  = "LMNPQRSTUV"
		months    = "ABCDEHLMPRST"
		letterAt  = "xxxxxx  x  x   x"
		monthAt   = 8
		bodyWidth = 15
	)
	if len(text) != len(letterAt) || !letter(text[0]) || !letter(text[1]) || !letter(text[2]) {
		return false
	}
	code := strings.ToUpper(text)
	if len(code) != len(text) { // some letters are shorter in capitals
		return false
	}
	sum := 0
	for i := range bodyWidth {
		c := code[i]
		isDigit := c >= '0' && c <= '9'
		if letterAt[i] == 'x' && !letter(c) || letterAt[i] == ' ' && !isDigit && strings.IndexByte(omocodia, c) < 0 {
			return false
		}
		n := int(c - 'A')
		if isDigit {
			n = int(c - '0')
		}
		if i%2 == 0 {
			n = int(odd[n] - 'A')
		}
		sum += n
	}
	return strings.IndexByte(months, code[monthAt]) >= 0 && code[bodyWidth] == 'A'+byte(sum%26)
}
