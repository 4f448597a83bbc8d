package sensitive

import "strings"

// ibanLengths are the lengths by country of the SWIFT IBAN registry.
const ibanLengths = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 " +
	"GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 " +
	"MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"

// isIBAN wants a country's length and the check digits of ISO 13616 (ISO 7064, MOD 97-10). Groups may be set off by spaces.
func isIBAN(text string) bool {
	const shortest, longest, spaces = 15, 34, 9
	if len(text) < shortest || len(text) > longest+spaces || !letter(text[0]) || !letter(text[1]) {
		return false
	}
	compact := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	if len(compact) < shortest || len(compact) > longest {
		return false
	}
	at := strings.Index(ibanLengths, compact[:2])
	if at < 0 || number(string([]byte{ibanLengths[at+2] - '0', ibanLengths[at+3] - '0'})) != int64(len(compact)) {
		return false
	}
	rest := 0
	for _, c := range []byte(compact[4:] + compact[:4]) {
		switch {
		case c >= '0' && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case letter(c):
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1 && compact[2] >= '0' && compact[2] <= '9' && compact[3] >= '0' && compact[3] <= '9'
}
