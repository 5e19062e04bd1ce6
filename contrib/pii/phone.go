package pii

var phoneWords = []string{"phone", "telephone", "tel", "mobile", "cell", "fax", "call", "whatsapp", "sms"}

// phone looks for a telephone number: with the country (+49 ..., 0049 ...), in the North American form, in a national form that
// begins with 0, or as one run of digits behind a word that says what it is.
func (c *scan) phone(x *number) {
	start := x.start
	if start > 0 && c.text[start-1] == '+' && c.left(start-1) {
		c.international(x, start-1, 8, 15)
		return
	}
	first := x.count(1)
	switch {
	case x.digits[0] == 0 && x.count(x.n) > 2 && x.digits[1] == 0 && x.digits[2] != 0 && first >= 3 && (x.n == 1 || x.digits[first] != 0):
		c.international(x, start, 10, 17)
	case c.american(x):
	case x.digits[0] == 0 && first >= 2 && first <= 5 && x.digits[1] != 0:
		c.national(x)
	case first >= 7 && first <= 12 && c.behind(start, phoneWords):
		c.telephone(start, x.end(1))
	}
}

func (c *scan) telephone(start, end int) bool {
	if !c.right(end) {
		return false
	}
	c.add(kindPhone, start, end)
	return true
}

// international takes as many groups as make up a number with its country.
func (c *scan) international(x *number, start, least, most int) {
	for n := x.n; n > 0; n-- {
		if d := x.count(n); d >= least && d <= most && c.telephone(start, x.end(n)) {
			return
		}
	}
}

// american knows (212) 555-0100, 212-555-0100, 212.555.0100, 212 555 0100 and the same behind a 1.
func (c *scan) american(x *number) bool {
	first, start := 0, x.start
	if x.digits[0] == 1 && x.groups[0].to == 1 {
		first = 1
	}
	if x.n < first+3 {
		return false
	}
	g := x.groups[first : first+3]
	if g[0].to-g[0].from != 3 || g[1].to-g[1].from != 3 || g[2].to-g[2].from != 4 || x.digits[g[0].from] < 2 || x.digits[g[1].from] < 2 {
		return false
	}
	switch {
	case g[1].sep == g[2].sep && g[1].sep != '/' && g[1].sep != ')':
	case g[1].sep == ')' && (g[2].sep == '-' || g[2].sep == ' ' || g[2].sep == '.'):
		if first == 0 {
			if start == 0 || c.text[start-1] != '(' {
				return false
			}
			start--
		}
	default:
		return false
	}
	return c.telephone(start, x.end(first+3))
}

// national takes 9 to 12 digits in groups, of which only the first may have another separator behind it.
func (c *scan) national(x *number) {
	start, sep, n := x.start, x.groups[1].sep, 2
	if x.n < 2 || x.lengths(sep, 2, 2, 4) || x.lengths(sep, 2, 2, 2) && x.groups[2].sep == sep && (x.n < 5 || x.groups[3].sep != sep) {
		return // none, or a date
	}
	if sep == '.' && !x.lengths('.', 2, 2, 2, 2, 2) {
		return
	}
	if sep == ')' {
		if start == 0 || c.text[start-1] != '(' {
			return
		}
		start--
	}
	for n < x.n && x.groups[n].sep == x.groups[2].sep && x.groups[n].sep != ')' && x.count(n+1) <= 12 {
		n++
	}
	for ; n >= 2; n-- {
		if d := x.count(n); d >= 9 && d <= 12 && c.telephone(start, x.end(n)) {
			return
		}
	}
}
