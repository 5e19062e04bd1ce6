package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func star(s string) string { return strings.ReplaceAll(s, "4111", "*") }

func TestScrub(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"string", `"a 4111"`, `"a *"`},
		{"nested", `{"a":[{"b":["4111",true,null,1.50]}]}`, `{"a":[{"b":["*",true,null,1.50]}]}`},
		{"name", `{"4111":1}`, `{"*":1}`},
		{"names that become one", `{"4111":1,"*":2,"*#2":3}`, `{"*":1,"*#2":2,"*#2#2":3}`},
		{"number", `{"card":4111000,"n":12}`, `{"card":"*000","n":12}`},
		{"escaped", `"41\u003111"`, `"*1"`},
		{"raw", `{"raw":{"tokens":["41","11"]},"x":1}`, `{"raw":"[left out: 22 bytes]","x":1}`},
		{"picture", `{"base64":"QUJD"}`, `{"base64":"[left out: 6 bytes]"}`},
		{"picture in a URL", `{"url":"DATA:image/png;base64,QUJD"}`, `{"url":"[left out: 26 bytes]"}`},
		{"empty", `{"a":{},"b":[]}`, `{"a":{},"b":[]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := scrub([]byte(tc.in), star)
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v, want %s", got, err, tc.want)
			}
			if again, err := scrub(got, star); err == nil && string(again) != tc.want && !strings.Contains(tc.want, "left out") && !strings.Contains(tc.name, "become") {
				t.Errorf("again: %s", again)
			}
		})
	}
	if _, err := scrub([]byte(`"4111"`), func(string) string { panic("4111") }); err == nil || strings.Contains(err.Error(), "4111") {
		t.Errorf("a redactor that panics: %v", err)
	}
}

// Whatever is in a JSON text, nothing that the redactor would find is left.
func FuzzScrub(f *testing.F) {
	for _, s := range []string{`{"4111":["4111",4111,{"raw":4111}]}`, `"\u0034111"`, `[1e4111]`, `{"a":"data:,4111"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if !json.Valid([]byte(in)) {
			return
		}
		out, err := scrub([]byte(in), star)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		var v any
		d := json.NewDecoder(strings.NewReader(string(out)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if leaks(v) {
			t.Fatalf("%s became %s", in, out)
		}
	})
}

func leaks(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "4111") && !strings.HasPrefix(v, "[left out: ")
	case json.Number:
		return strings.Contains(v.String(), "4111")
	case []any:
		for _, x := range v {
			if leaks(x) {
				return true
			}
		}
	case map[string]any:
		for k, x := range v {
			if strings.Contains(k, "4111") || leaks(x) {
				return true
			}
		}
	}
	return false
}

// Names that all become one cost as much each however many there are, and stay different.
func TestScrubManyNamesThatBecomeOne(t *testing.T) {
	work := func(names int) float64 {
		in := []byte(`{"[X]#3":0`)
		for i := range names {
			in = fmt.Appendf(in, `,"k%d@x":1`, i)
		}
		in = append(in, '}')
		redact := func(s string) string {
			if strings.Contains(s, "@") {
				return "[X]"
			}
			return s
		}
		out, err := scrub(in, redact)
		var members map[string]int
		if err := errors.Join(err, json.Unmarshal(out, &members)); err != nil || len(members) != names+1 {
			t.Fatalf("%d of %d names, %v", len(members), names+1, err)
		}
		return testing.AllocsPerRun(1, func() { _, _ = scrub(in, redact) })
	}
	if one, four := work(250), work(1000); four > 5*one {
		t.Errorf("four times the names take %.1f times the allocations", four/one)
	}
}
