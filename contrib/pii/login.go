package pii

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
)

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

// Limits on a login without a scheme, in bytes.
const (
	maxUser = 32
	minPass = 3
	maxPass = 64
	maxHost = 28 // with its port, so that it is within lookAhead
)

// notUsers are words in front of an address, where no password follows.
var notUsers = []string{
	"mailto", "mail", "email", "e-mail", "to", "from", "cc", "bcc", "contact", "sender", "recipient", "reply-to", "sip", "sips", "xmpp", "ssh", "scp", "git",
}

// bareLogins looks for user:password in front of each @ in a word behind which there is a host and no domain of mail.
func (c *scan) bareLogins(start, end int) {
	known := c.logins
	for at := start; at < end; at++ {
		if c.text[at] != '@' || !c.host(at+1) {
			continue
		}
		if _, is := slices.BinarySearch(known, at); is {
			continue
		}
		colon := at
		for colon > 0 && at-colon <= maxPass && inPassword(c.text[colon-1]) {
			colon--
		}
		if n := at - colon; n < minPass || n > maxPass || colon == 0 || c.text[colon-1] != ':' {
			continue
		}
		colon--
		from := colon
		for from > 0 && colon-from <= maxUser && inUser(c.text[from-1]) {
			from--
		}
		switch user := c.text[from:colon]; {
		case user == "", len(user) > maxUser, slices.Contains(notUsers, strings.ToLower(user)):
		case !c.left(from), from > 0 && strings.IndexByte(":/@", c.text[from-1]) >= 0:
		default:
			if c.on&(1<<kindCredentials) != 0 {
				c.logins = append(c.logins, at)
			}
			c.add(kindCredentials, from, at)
		}
	}
	slices.Sort(c.logins)
}

// inPassword leaves out what masks leave.
func inPassword(b byte) bool { return classes[b] != 0 && strings.IndexByte(":/@*", b) < 0 }

func inUser(b byte) bool { return isAlnum(b) || strings.IndexByte("._+-%", b) >= 0 }

// host says that a host begins at i: an IP address, localhost, any with its port, or one in the form of database drivers.
func (c *scan) host(i int) bool {
	text := c.text[i:min(len(c.text), i+maxHost+1)]
	if strings.HasPrefix(text, "tcp(") {
		return true
	}
	n := 0
	for n < len(text) && (isAlnum(text[n]) || text[n] == '.' || text[n] == '-') {
		n++
	}
	name := strings.TrimRight(text[:n], ".-")
	switch {
	case n > maxHost, name == "", !isAlnum(name[0]), !c.right(i + len(name)):
		return false
	case strings.EqualFold(name, "localhost"), strings.Count(name, ".") == 3 && strings.Trim(name, ".0123456789") == "":
		return true
	}
	return len(name) == n && n+2 < len(text) && text[n] == ':' && isDigit(text[n+1]) && isDigit(text[n+2])
}

// schemes of HTTP whose credentials follow the name, and whether these are user:password in base64.
var schemes = []struct {
	name  string
	basic bool
}{{"basic", true}, {"bearer", false}, {"token", false}}

// minToken is how long the token of a header is at least, in bytes.
const minToken = 8

// headers looks behind each colon in a word for what follows Authorization: Basic and the like.
func (c *scan) headers(start, end int) {
	const name, quotes = "authorization", " \\\"'"
	for i := start; i < end; i++ {
		if c.text[i] != ':' {
			continue
		}
		from := i
		for from > 0 && i-from < 3 && strings.IndexByte(quotes, c.text[from-1]) >= 0 {
			from--
		}
		if from -= len(name); from < 0 || !strings.EqualFold(c.text[from:from+len(name)], name) {
			continue
		}
		j := i + 1
		for j < len(c.text) && j-i < 5 && strings.IndexByte(quotes, c.text[j]) >= 0 {
			j++
		}
		for _, s := range schemes {
			at := j + len(s.name)
			if at >= len(c.text) || c.text[at] != ' ' || !strings.EqualFold(c.text[j:at], s.name) {
				continue
			}
			for at < len(c.text) && c.text[at] == ' ' && at-from < lookBehind {
				at++
			}
			to := at
			for to < len(c.text) && (inBase64(c.text[to]) || !s.basic && (c.text[to] == '.' || c.text[to] == '~')) {
				to++
			}
			for n := 0; n < 2 && to < len(c.text) && c.text[to] == '='; n++ {
				to++
			}
			switch token := c.text[at:to]; {
			case at-from > lookBehind:
			case s.basic && isBasic(token):
				c.addLong(kindCredentials, at, to)
			case !s.basic && len(token) >= minToken && mixed(token):
				c.addLong(kindSecret, at, to)
			}
		}
	}
}

// isBasic says that a text is user:password in base64.
func isBasic(text string) bool {
	text = strings.TrimRight(text, "=")
	b, err := base64.RawStdEncoding.DecodeString(text[:min(len(text), maxMatch)])
	if err != nil {
		b, err = base64.RawURLEncoding.DecodeString(text[:min(len(text), maxMatch)])
	}
	return err == nil && bytes.IndexByte(b, ':') >= 0 && bytes.IndexFunc(b, unicode.IsControl) < 0
}
