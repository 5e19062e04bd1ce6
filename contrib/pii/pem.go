package pii

import "strings"

const (
	pemDashes = "-----"
	pemBegin  = pemDashes + "BEGIN"
	pemEnd    = pemDashes + "END "
)

// privateKey looks for a private key in the form of PEM whose first line begins with the word that ends at end.
func (c *scan) privateKey(start, end int) {
	if !strings.HasSuffix(c.text[start:end], pemBegin) {
		return
	}
	from := end - len(pemBegin)
	i := c.pemLine(end)
	if i == 0 || !strings.Contains(c.text[end:i], "PRIVATE KEY") {
		return
	}
	for i < len(c.text) {
		if strings.HasPrefix(c.text[i:], pemEnd) {
			if last := c.pemLine(i + len(pemEnd) - 1); last > 0 {
				i = last
				break
			}
		}
		if !inPEM(c.text, i) {
			break
		}
		i++
	}
	c.addLong(kindSecret, from, i)
}

// pemLine gives the end of a first or last line of PEM, from the blank before its name: 0 where it is none.
func (c *scan) pemLine(i int) int {
	for j := i; j < len(c.text) && j-i < lookAhead-len(pemEnd); j++ {
		switch b := c.text[j]; {
		case b == '-':
			if strings.HasPrefix(c.text[j:], pemDashes) {
				return j + len(pemDashes)
			}
			return 0
		case b != ' ' && classes[b]&(upper|digit) == 0:
			return 0
		}
	}
	return 0
}

// inPEM says that a byte can be within a key: base64 and its lines, which may be written as \n, or a header.
func inPEM(text string, i int) bool {
	switch b := text[i]; b {
	case '\n', '\r', '\\', '=', ':', ',':
		return true
	case ' ', '\t':
		return strings.IndexByte(":\n \t", text[i-1]) >= 0
	default:
		return inBase64(b)
	}
}
