package pii

import "strings"

// layouts are how the digits of cards are grouped, the longest first.
var layouts = [][]uint8{{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}}

// seps are what may stand between the groups of a card, all of them the same.
var seps = []byte(" -/.")

func (c *scan) card(x *number) {
	if c.grouped(x) || x.groups[0].to != 4 {
		return
	}
	if _, next := blanks(c.text, x.end(x.n)); next > x.end(x.n) { // several of them between groups?
		var wide number
		c.parse(&wide, x.start, blanks)
		c.grouped(&wide)
	}
}

// grouped looks for a card in a number's groups.
func (c *scan) grouped(x *number) bool {
	try := func(groups int) bool {
		n, end := x.count(groups), x.end(groups)
		if !issued(x, n) || !luhn(x.digits[:n]) || !c.right(end) {
			return false
		}
		c.add(kindCard, x.start, end)
		return true
	}
	switch first := x.groups[0].to; {
	case first >= 12:
		return try(1)
	case first != 4:
		return false
	}
	for _, l := range layouts {
		for _, sep := range seps {
			if x.lengths(sep, l...) && try(len(l)) {
				return true
			}
		}
	}
	return false
}

// blanks reads up to three blanks and no-break spaces as one separator.
func blanks(text string, i int) (sep byte, next int) {
	for range 3 {
		switch {
		case i < len(text) && text[i] == ' ':
			i++
		case strings.HasPrefix(text[i:], "\u00a0"):
			i += len("\u00a0")
		default:
			return sep, i
		}
		sep = ' '
	}
	return sep, i
}

// issued says that n digits can be a card of one of the large schemes, by its first digits and its length.
func issued(x *number, n int) bool {
	if n < 13 || n > 19 {
		return false
	}
	two, four := x.value(0, 2), x.value(0, 4)
	switch {
	case x.digits[0] == 4: // Visa
		return n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case two == 34, two == 37: // American Express
		return n == 15
	case two == 36, two == 38, two == 39, four >= 3000 && four <= 3059: // Diners Club
		return n == 14 || n == 16 || n == 19
	case four >= 3528 && four <= 3589: // JCB
		return n >= 16
	case two == 62, four == 6011, two == 65, four >= 6440 && four <= 6499: // UnionPay, Discover
		return n >= 16
	case two == 50, two >= 56 && two <= 58, two == 63, two == 67: // Maestro
		return n >= 13
	}
	return false
}

// luhn is the checksum of ISO/IEC 7812.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// ibanLengths are the lengths of the IBANs of countries, by the registry of SWIFT.
var ibanLengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
	"CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
	"FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
	"IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
	"LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
	"NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
	"SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29,
	"VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

// iban looks for an account whose check digits begin at i, with the country before them.
func (c *scan) iban(i int) {
	text, start := c.text, i-2
	if start < 0 || i+1 >= len(text) || !isDigit(text[i+1]) || classes[text[start]]&classes[text[i-1]]&(upper|lower) == 0 || !c.left(start) {
		return
	}
	country := [2]byte{text[start] &^ 0x20, text[start+1] &^ 0x20}
	length := ibanLengths[string(country[:])]
	if length == 0 {
		return
	}
	// The number is that of the text with the first four characters at its end, letters being 10 to 35, modulo 97.
	var head, rest, n int
	j := start
	for ; n < length; j++ {
		if n > 0 && n%4 == 0 {
			if sep, next := separator(text, j); sep == ' ' || sep == '-' {
				j = next
			}
		}
		if j >= len(text) || !isAlnum(text[j]) {
			return
		}
		v := int(text[j] - '0')
		if !isDigit(text[j]) {
			v = int(text[j]&^0x20-'A') + 10
		}
		to := &rest
		if n < 4 {
			to = &head
		}
		if v > 9 {
			*to *= 10
		}
		*to = (*to*10 + v) % 97
		n++
	}
	// Two letters and two digits are six digits.
	if (rest*1000000+head)%97 == 1 && c.right(j) {
		c.add(kindIBAN, start, j)
	}
}
