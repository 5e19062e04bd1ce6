package pii

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on an address, in bytes.
const (
	maxLocal  = 64
	maxDomain = 120
)

// notDomains are ends of file names that an @ is found in front of: logo@2x.png.
var notDomains = []string{"png", "jpg", "jpeg", "gif", "svg", "webp", "tgz", "js", "css"}

// emails looks at each @ in a word that is not one behind credentials.
func (c *scan) emails(start, end int) {
	logins := c.logins
	for i := start; i < end; i++ {
		if c.text[i] != '@' {
			continue
		}
		for len(logins) > 0 && logins[0] < i {
			logins = logins[1:]
		}
		if len(logins) == 0 || logins[0] != i {
			c.email(i)
		}
	}
}

func (c *scan) email(at int) {
	from := at
	for from > 0 {
		r, size := utf8.DecodeLastRuneInString(c.text[:from])
		if at-from+size > maxLocal || !inLocal(r) {
			break
		}
		from -= size
	}
	for from < at {
		r, size := utf8.DecodeRuneInString(c.text[from:])
		if !strings.ContainsRune("'.-&/=?!#", r) && !invisible(r) {
			break
		}
		from += size
	}
	to := at + 1
	for to < len(c.text) && to-at <= maxDomain {
		r, size := utf8.DecodeRuneInString(c.text[to:])
		if !inDomain(r) || to-at+size > maxDomain {
			break
		}
		to += size
	}
	domain, local := domainOf(visible(c.text[at+1:to])), visible(c.text[from:at])
	if local == "" || domain == "" {
		return
	}
	to = at + 1 + lengthOf(c.text[at+1:to], len(domain))
	if local == "git" && to < len(c.text) && c.text[to] == ':' { // git@host:path
		return
	}
	c.add(kindEmail, from, to)
}

// domainOf is the domain that a text without invisible characters begins with, empty where it begins with none.
func domainOf(text string) string {
	for {
		text = strings.TrimRight(text, ".-")
		dot := strings.LastIndexByte(text, '.')
		if dot <= 0 {
			return ""
		}
		if isTLD(text[dot+1:]) {
			break
		}
		if n := topOf(text[dot+1:]); isTLD(text[dot+1 : dot+1+n]) {
			text = text[:dot+1+n]
			break
		}
		text = text[:dot]
	}
	top := strings.ToLower(text[strings.LastIndexByte(text, '.')+1:])
	if text[0] == '.' || text[0] == '-' || strings.Contains(text, "..") || slices.Contains(notDomains, top) {
		return ""
	}
	return text
}

// topOf is where the top of a domain ends that has something behind it: a dash and another word or, where it is of another
// script, what is of ASCII.
func topOf(label string) int {
	for i, r := range label {
		if r == '-' || i > 0 && label[0] >= utf8.RuneSelf && r < utf8.RuneSelf {
			return i
		}
	}
	return len(label)
}

// invisible says that a rune has no width: such are put into addresses so that nobody finds them, or that they may be broken.
func invisible(r rune) bool {
	switch {
	case r < 0xad:
		return false
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x2064, r >= 0xfe00 && r <= 0xfe0f:
		return true
	}
	return r == 0xad || r == 0x34f || r == 0x180e || r == 0xfeff
}

// visible is a text without invisible characters.
func visible(text string) string {
	if strings.IndexFunc(text, invisible) < 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, text)
}

// lengthOf is how many bytes of text its first n visible bytes take.
func lengthOf(text string, n int) int {
	for i, r := range text {
		if n == 0 {
			return i
		}
		if !invisible(r) {
			n -= utf8.RuneLen(r)
		}
	}
	return len(text)
}

// inLocal is about the part before the @. Some characters that it may have in theory are left out: / and = stand before
// addresses more often than in them.
func inLocal(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r)) || strings.IndexByte("._%+-'", byte(r)) >= 0
	}
	return inName(r) || invisible(r)
}

func inDomain(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r)) || r == '.' || r == '-'
	}
	return inName(r) || invisible(r)
}

// inName says that a rune may be in an internationalised name. In scripts that put no space between words it would take in
// the words beside it.
func inName(r rune) bool { return unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) }

func isTLD(text string) bool {
	if strings.HasPrefix(text, "xn--") {
		return len(text) > 4
	}
	n := 0
	for _, r := range text {
		if r < utf8.RuneSelf && classes[byte(r)]&(lower|upper) == 0 {
			return false
		}
		n++
	}
	return n >= 2 && n <= 24
}
