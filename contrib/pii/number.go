package pii

import "strings"

// number is what begins with a group of digits: further groups, with one separator or a parenthesis between them.
type number struct {
	start  int      // in the text
	n      int      // groups
	digits [20]byte // their values
	groups [10]group
}

// group is a run of digits.
type group struct {
	sep      byte  // before it: one of " -./" or, where there is a parenthesis, ')'
	from, to uint8 // digits
	length   uint8 // from the number's start to the group's end, in bytes
}

// count is how many digits the first n groups have.
func (x *number) count(n int) int { return int(x.groups[n-1].to) }

// end is where the n-th group ends in the text.
func (x *number) end(n int) int { return x.start + int(x.groups[n-1].length) }

// lengths says that the number begins with groups of these lengths, with sep between them.
func (x *number) lengths(sep byte, lengths ...uint8) bool {
	if x.n < len(lengths) {
		return false
	}
	for i, l := range lengths {
		if g := x.groups[i]; g.to-g.from != l || i > 0 && g.sep != sep {
			return false
		}
	}
	return true
}

// value is that of the digits from i to j.
func (x *number) value(i, j uint8) (v int) {
	for _, d := range x.digits[i:j] {
		v = 10*v + int(d)
	}
	return v
}

// parse reads a number of at most 20 digits and 10 groups. A group that would have more digits is left out. between reads what may
// stand between two groups.
func (c *scan) parse(x *number, i int, between func(text string, i int) (sep byte, next int)) {
	text := c.text
	x.start, x.n = i, 0
	var digits, sep uint8
	for x.n < len(x.groups) {
		from := digits
		for i < len(text) && isDigit(text[i]) {
			if int(digits) == len(x.digits) {
				return
			}
			x.digits[digits] = text[i] - '0'
			digits++
			i++
		}
		if digits == from {
			return
		}
		x.groups[x.n] = group{sep, from, digits, uint8(i - x.start)}
		x.n++
		if sep, i = between(text, i); sep == 0 {
			return
		}
	}
}

// separator reads what may stand between two groups.
func separator(text string, i int) (sep byte, next int) {
	if i == len(text) || classes[text[i]]&(lower|upper) != 0 {
		return 0, i
	}
	rest := text[i:min(len(text), i+3)]
	if len(rest) < 2 {
		return 0, i
	}
	switch rest[0] {
	case '-', '.', '/':
		sep = rest[0]
	case ' ':
		sep = ' '
		if rest[1] == '(' {
			return ')', i + 2
		}
	case '(':
		return ')', i + 1
	case ')':
		if rest[1] == ' ' || rest[1] == '-' {
			return ')', i + 2
		}
		return ')', i + 1
	case "\u00a0"[0], "\u2011"[0]: // as web pages and word processors have them, so that no line breaks there
		for _, wide := range [...]string{"\u00a0 ", "\u202f ", "\u2011-"} {
			if n := len(wide) - 1; strings.HasPrefix(rest, wide[:n]) {
				return wide[n], i + n
			}
		}
		return 0, i
	default:
		return 0, i
	}
	return sep, i + 1
}

// numbers looks at each group of digits in a word.
func (c *scan) numbers(start, end int) {
	text := c.text
	var x number
	for i := start; i < end; i++ {
		if !isDigit(text[i]) || i > 0 && isDigit(text[i-1]) {
			continue
		}
		c.iban(i)
		c.nino(i)
		if !c.left(i) || i > 1 && (text[i-1] == '.' || text[i-1] == ',') && (isDigit(text[i-2]) || text[i-2] == '*' || c.labels.endsAt(text, i-1)) {
			continue
		}
		c.parse(&x, i, separator)
		if x.n == 0 {
			continue
		}
		c.card(&x)
		c.ids(&x)
		c.ipv4(&x)
		c.phone(&x)
	}
}
