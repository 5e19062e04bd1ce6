package pii

// Bits of a byte's class. A byte without any separates words.
const (
	lower uint8 = 1 << iota
	upper
	digit
	at
	colon
	dash
	other // other bytes that a match may have inside
)

var classes = func() (c [256]uint8) {
	for b := range 256 {
		switch {
		case b >= 'a' && b <= 'z':
			c[b] = lower
		case b >= 'A' && b <= 'Z':
			c[b] = upper
		case b >= '0' && b <= '9':
			c[b] = digit
		}
	}
	c['@'], c[':'], c['-'] = at, colon, dash
	for _, b := range "._+/=%~&'#$!?*" {
		c[b] = other
	}
	return c
}()

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
func isAlnum(b byte) bool { return classes[b]&(lower|upper|digit) != 0 }

// isWord says that a match neither begins right behind b nor ends right before it. The asterisk is what masks leave.
func isWord(b byte) bool { return isAlnum(b) || b == '_' || b == '*' }

// left says that a match may begin at i, right that one may end there. Labels count as words.
func (c *scan) left(i int) bool {
	return i == 0 || !isWord(c.text[i-1]) && !c.labels.endsAt(c.text, i)
}

func (c *scan) right(i int) bool {
	return i == len(c.text) || !isWord(c.text[i]) && c.labels.at(c.text, i) == 0
}

// words goes through the words of the text and looks closer at those that have a byte of interest or are long.
func (c *scan) words() {
	text := c.text
	for i := 0; i < len(text); {
		all := classes[text[i]]
		start := i
		i++
		if all == 0 {
			continue
		}
		for i < len(text) {
			k := classes[text[i]]
			if k == 0 {
				break
			}
			all |= k
			i++
		}
		if all&(digit|at|colon|dash) != 0 || i-start >= minSecret {
			c.word(start, i, all)
		}
	}
}

func (c *scan) word(start, end int, all uint8) {
	if all&at != 0 {
		c.emails(start, end)
	}
	if all&colon != 0 {
		c.credentials(start, end)
	}
	if all&dash != 0 && end-start >= len(pemDashes) {
		c.privateKey(start, end)
	}
	if all&(colon|dash) != 0 && end-start >= 3 || all&digit != 0 {
		c.addresses(start, end, all)
	}
	if all&digit != 0 {
		c.numbers(start, end)
	}
	if end-start >= minSecret && all&digit != 0 {
		c.secrets(start, end)
	}
}

// near says that one of the words, in lower case, stands in the bytes before i.
func (c *scan) near(i int, words ...string) bool {
	var buf [lookBehind]byte
	before := c.text[max(0, i-lookBehind):i]
	for j := range len(before) {
		b := before[j]
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		buf[j] = b
	}
	for _, w := range words {
		for j := 0; j+len(w) <= len(before); j++ {
			if string(buf[j:j+len(w)]) == w && (j == 0 || !isAlnum(buf[j-1])) {
				return true
			}
		}
	}
	return false
}
