package pii

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// inJSON rewrites each string and number of a JSON text, and leaves the rest of it as it is. A number of which something is
// redacted becomes a string; one with an exponent is read as it would be without. What is no JSON is one text.
func inJSON(text string, rewrite func(string) string) string {
	if !json.Valid([]byte(text)) {
		return rewrite(text)
	}
	var b strings.Builder
	at := 0
	eachValue(text, func(from, to int, _, value string) {
		if now := rewrite(value); now != value {
			b.WriteString(text[at:from])
			b.WriteString(quote(now))
			at = to
		}
	})
	if at == 0 {
		return text
	}
	b.WriteString(text[at:])
	return b.String()
}

// eachValue visits the keys, strings and numbers of valid JSON, with where they stand and the last key before them.
func eachValue(text string, visit func(from, to int, key, value string)) {
	key := ""
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
			visit(from, i+1, key, value)
			if strings.HasPrefix(strings.TrimLeft(text[i+1:], " \t\r\n"), ":") {
				key = value
			}
		case c == '-' || isDigit(c):
			for i+1 < len(text) && strings.IndexByte("+-.eE0123456789", text[i+1]) >= 0 {
				i++
			}
			visit(from, i+1, key, plainly(text[from:i+1]))
		}
	}
}

// maxShift is by how much more than a number has digits its point may be moved: what is found has fewer digits by far.
const maxShift = 64

// plainly is a number of JSON as it is written without an exponent.
func plainly(number string) string {
	digits, exponent, ok := strings.Cut(strings.ToLower(number), "e")
	if !ok {
		return number
	}
	shift, err := strconv.Atoi(exponent)
	if most := len(digits) + maxShift; err != nil || shift < -most || shift > most {
		return number
	}
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	whole, part, _ := strings.Cut(digits, ".")
	if zeros := len(whole) + shift; zeros <= 0 {
		whole = strings.Repeat("0", 1-zeros) + whole
	}
	point := len(whole) + shift
	all := whole + part
	if point > len(all) {
		all += strings.Repeat("0", point-len(all))
	}
	whole, part = strings.TrimLeft(all[:point], "0"), strings.TrimRight(all[point:], "0")
	if part != "" {
		part = "." + part
	}
	if whole == "" {
		whole = "0"
	}
	return sign + whole + part
}

// serverKeys are those of names that a server makes up: they look random, but a model does not write them.
var serverKeys = []string{"id", "call_id", "tool_call_id", "response_id", "request_id", "system_fingerprint"}

// inRaw says that there is something to be found in a backend's raw response: in one of its values, or of those of JSON that
// stands in a string, such as the arguments of a tool call.
func (p *pass) inRaw(text string) (yes bool) {
	if !json.Valid([]byte(text)) {
		return len(p.find(text, 0)) > 0
	}
	eachValue(text, func(_, _ int, key, value string) {
		switch {
		case yes:
		case value != "" && strings.IndexByte("{[\"", value[0]) >= 0:
			yes = p.inRaw(value)
		default:
			matches := p.find(value, 0)
			if slices.Contains(serverKeys, key) {
				matches = slices.DeleteFunc(matches, func(m found) bool { return m.kind == kindSecret })
			}
			yes = len(matches) > 0
		}
	})
	return yes
}

func quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}
