package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// leftOut are members that redaction of texts cannot make safe, wherever they are: a backend's response as it came, in which a
// number may be spread over tokens, and pictures.
var leftOut = map[string]bool{"raw": true, "base64": true}

// scrubber rewrites a JSON text: every string, every name of a member and every number goes through redact. A number that is
// not the same afterwards becomes a string.
type scrubber struct {
	dec    *json.Decoder
	out    bytes.Buffer
	redact func(string) string
}

// scrub fails on what is no JSON and when redact panics.
func scrub(text []byte, redact func(string) string) (out []byte, err error) {
	defer func() {
		if recover() != nil { // what it says may hold what it was given
			out, err = nil, fmt.Errorf("the redactor panicked")
		}
	}()
	s := scrubber{dec: json.NewDecoder(bytes.NewReader(text)), redact: redact}
	s.dec.UseNumber()
	if err := s.value(); err != nil {
		return nil, err
	}
	return s.out.Bytes(), nil
}

func (s *scrubber) value() error {
	t, err := s.dec.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return s.list()
		}
		return s.object()
	case string:
		return s.text(t)
	case json.Number:
		if clean := s.redact(t.String()); clean != t.String() {
			return s.quote(clean)
		}
		s.out.WriteString(t.String())
		return nil
	case bool:
		fmt.Fprint(&s.out, t)
		return nil
	}
	s.out.WriteString("null")
	return nil
}

func (s *scrubber) list() error {
	s.out.WriteByte('[')
	for i := 0; s.dec.More(); i++ {
		if i > 0 {
			s.out.WriteByte(',')
		}
		if err := s.value(); err != nil {
			return err
		}
	}
	s.out.WriteByte(']')
	_, err := s.dec.Token()
	return err
}

func (s *scrubber) object() error {
	s.out.WriteByte('{')
	seen := map[string]bool{}
	var next map[string]int // the number for the next name that has become the same
	for i := 0; s.dec.More(); i++ {
		if i > 0 {
			s.out.WriteByte(',')
		}
		t, err := s.dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		clean := s.redact(name)
		if seen[clean] { // two names may have become one
			if next == nil {
				next = map[string]int{}
			}
			base, n := clean, max(next[clean], 2)
			for ; seen[clean]; n++ {
				clean = fmt.Sprintf("%s#%d", base, n)
			}
			next[base] = n
		}
		seen[clean] = true
		if err := s.quote(clean); err != nil {
			return err
		}
		s.out.WriteByte(':')
		if leftOut[name] {
			err = s.skip()
		} else {
			err = s.value()
		}
		if err != nil {
			return err
		}
	}
	s.out.WriteByte('}')
	_, err := s.dec.Token()
	return err
}

// skip puts the length of a value in its place.
func (s *scrubber) skip() error {
	var v json.RawMessage
	if err := s.dec.Decode(&v); err != nil {
		return err
	}
	return s.quote(fmt.Sprintf("[left out: %d bytes]", len(v)))
}

func (s *scrubber) text(t string) error {
	if len(t) > len("data:") && strings.EqualFold(t[:len("data:")], "data:") && strings.Contains(t, ",") {
		return s.quote(fmt.Sprintf("[left out: %d bytes]", len(t)))
	}
	return s.quote(s.redact(t))
}

func (s *scrubber) quote(t string) error {
	b, err := json.Marshal(t)
	s.out.Write(b)
	return err
}
