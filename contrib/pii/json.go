package pii

import (
	"bytes"
	"encoding/json"
	"strings"
)

// inJSON rewrites each string and number of a JSON text, and leaves the rest of it as it is. A number of which something is
// redacted becomes a string. What is no JSON is one text.
func inJSON(text string, rewrite func(string) string) string {
	if !json.Valid([]byte(text)) {
		return rewrite(text)
	}
	var b strings.Builder
	at := 0
	put := func(from, to int, value string) {
		b.WriteString(text[at:from])
		b.WriteString(quote(value))
		at = to
	}
	for i := 0; i < len(text); i++ {
		from := i
		switch c := text[i]; {
		case c == '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			var value string
			if json.Unmarshal([]byte(text[from:i+1]), &value) != nil {
				continue // it is valid
			}
			if now := rewrite(value); now != value {
				put(from, i+1, now)
			}
		case c == '-' || isDigit(c):
			for i+1 < len(text) && strings.IndexByte("+-.eE0123456789", text[i+1]) >= 0 {
				i++
			}
			if now := rewrite(text[from : i+1]); now != text[from:i+1] {
				put(from, i+1, now)
			}
		}
	}
	if at == 0 {
		return text
	}
	b.WriteString(text[at:])
	return b.String()
}

func quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}
