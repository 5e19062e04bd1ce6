package debug

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxName is how many runes of a name are shown at most.
const maxName = 64

// text is what may be shown of what somebody said.
func (p *Plugin) text(s string) string {
	n := utf8.RuneCountInString(s)
	length := fmt.Sprintf("<%d runes>", n)
	if p.redact == nil || n == 0 {
		return length
	}
	shown, ok := p.redacted(s)
	if !ok {
		return fmt.Sprintf("<%d runes, the redactor failed>", n)
	}
	return `"` + plain(shown, p.preview) + `"`
}

func (p *Plugin) redacted(s string) (shown string, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return p.redact(s), true
}

// failure is what may be shown of an error: its text may hold what was said.
func (p *Plugin) failure(err error) string {
	if p.redact == nil {
		return ""
	}
	return ": " + p.text(err.Error())
}

func name(s string) string { return plain(s, maxName) }

// plain is a text in one line of at most so many runes in which nothing controls a terminal or turns the direction of what is
// read: what is not printed is written as Go writes it.
func plain(s string, most int) string {
	var b strings.Builder
	n := 0
	for i, r := range s {
		if n == most {
			return b.String() + "…"
		}
		n++
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}
