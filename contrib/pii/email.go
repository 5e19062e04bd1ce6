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
	for from < at && strings.IndexByte("'.-&/=?!#", c.text[from]) >= 0 {
		from++
	}
	to := at + 1
	for to < len(c.text) && to-at <= maxDomain {
		r, size := utf8.DecodeRuneInString(c.text[to:])
		if !inDomain(r) || to-at+size > maxDomain {
			break
		}
		to += size
	}
	domain := c.text[at+1 : to]
	for {
		domain = strings.TrimRight(domain, ".-")
		dot := strings.LastIndexByte(domain, '.')
		if dot <= 0 {
			return
		}
		if isTLD(domain[dot+1:]) {
			break
		}
		if top, _, cut := strings.Cut(domain[dot+1:], "-"); cut && isTLD(top) { // a dash behind it, and another word
			domain = domain[:dot+1+len(top)]
			break
		}
		domain = domain[:dot]
	}
	local := c.text[from:at]
	top := strings.ToLower(domain[strings.LastIndexByte(domain, '.')+1:])
	to = at + 1 + len(domain)
	switch {
	case from == at, domain[0] == '.', domain[0] == '-', strings.Contains(domain, ".."), slices.Contains(notDomains, top):
	case local == "git" && to < len(c.text) && c.text[to] == ':': // git@host:path
	default:
		c.add(kindEmail, from, to)
	}
}

// inLocal is about the part before the @. Some characters that it may have in theory are left out: / and = stand before
// addresses more often than in them.
func inLocal(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r)) || strings.IndexByte("._%+-'", byte(r)) >= 0
	}
	return inName(r)
}

func inDomain(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r)) || r == '.' || r == '-'
	}
	return inName(r)
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

// credentials looks for user:password@ behind each :// in a word.
func (c *scan) credentials(start, end int) {
	for i := start + 1; i+2 < end; i++ {
		if c.text[i] != ':' || c.text[i+1] != '/' || c.text[i+2] != '/' || classes[c.text[i-1]]&(lower|upper|digit) == 0 {
			continue
		}
		from := i + 3
		stop := min(len(c.text), from+maxMatch+1)
		to, password := -1, false
		for j := from; j < stop && !endsAuthority(c.text[j]); j++ {
			switch c.text[j] {
			case ':':
				password = password || to < 0
			case '@':
				if password {
					to = j
				}
			}
		}
		if to < 0 || c.labels.overlap(c.text, from, to) {
			continue
		}
		if n := len(c.logins); c.on&(1<<kindCredentials) != 0 && (n == 0 || c.logins[n-1] < to) {
			c.logins = append(c.logins, to)
		}
		c.add(kindCredentials, from, to)
	}
}

func endsAuthority(b byte) bool {
	return b <= ' ' || b == '/' || b == '?' || b == '#' || b == '"' || b == '<' || b == '>' || b == '`'
}
