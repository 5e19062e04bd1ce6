package config_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// malformed makes wrong files of a good one: lines dropped, retyped, misspelled and duplicated. What is right
// by chance is in rightByChance.
func malformed(good string) map[string]string {
	out := map[string]string{}
	lines := strings.Split(strings.TrimRight(good, "\n"), "\n")
	with := func(name string, at int, repl ...string) {
		all := append(append(append([]string{}, lines[:at]...), repl...), lines[at+1:]...)
		out[fmt.Sprintf("%s %d", name, at+1)] = strings.Join(all, "\n") + "\n"
	}
	for i, line := range lines {
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		name := strings.TrimLeft(key, " -{")
		indent := key[:len(key)-len(name)]
		with("misspelled", i, indent+name+"x:"+value)
		with("duplicated", i, line, strings.ReplaceAll(indent, "-", " ")+name+":"+value)
		with("tab", i, "\t"+line)
		with("unclosed", i, key+": [")
		with("quoted", i, key+`: "`)
		if value = strings.TrimSpace(value); value != "" {
			with("list for a value", i, key+": [[1], {a: b}]")
			with("mapping for a value", i, key+": {no: {such: thing}}")
			with("number for a value", i, key+": 1.5e3")
		} else {
			with("scalar for a tree", i, key+": 7")
			with("dropped", i)
		}
	}
	return out
}

// rightByChance are those of malformed that are good files, with the reason; they are named after lines of full.
var rightByChance = map[string]string{
	"number for a value 36": "a number is a text for the settings of a plugin",
	"number for a value 37": "1.5e3 is the whole number 1500",
}

// bombs are small files that are big or deep.
func bombs() map[string]string {
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n" + many(9, func(i int) string {
		return fmt.Sprintf("%c: &%c [%s]\n", 'b'+i, 'b'+i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", 'a'+i), 9), ","))
	})
	return map[string]string{
		"brackets":             strings.Repeat("[", 200_000),
		"braces":               "plugins: " + strings.Repeat("{a: ", 50_000),
		"closed brackets":      strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"dashes":               strings.Repeat("- ", 100_000) + "a",
		"question marks":       strings.Repeat("? ", 100_000) + "a",
		"indented":             many(500, func(i int) string { return strings.Repeat(" ", i) + "a:\n" }),
		"a billion laughs":     laughs,
		"merge keys":           "a: &a {b: c}\nd: {<<: *a}\n",
		"a huge scalar":        "plugins: " + strings.Repeat("x", config.MaxFileSize-100),
		"a huge quoted one":    `plugins: "` + strings.Repeat("x", config.MaxFileSize-100) + `"`,
		"a huge block":         "plugins: |\n" + many(40_000, func(int) string { return "  x\n" }),
		"a huge key":           strings.Repeat("k", config.MaxFileSize-100) + ": 1",
		"too big":              strings.Repeat("# comment\n", 40_000),
		"many keys":            many(20_000, func(i int) string { return fmt.Sprintf("k%d: 1\n", i) }),
		"many plugins":         "plugins:\n" + many(2_000, func(i int) string { return fmt.Sprintf("- {name: p%d, kind: tag}\n", i) }),
		"a huge number":        "settings: {dispatcher: {workers: " + strings.Repeat("9", 10_000) + "}}",
		"many documents":       strings.Repeat("---\na: b\n", 10_000),
		"zero bytes":           "plugins: \x00\x00",
		"tags":                 "plugins: !!binary aGVsbG8=\n",
		"bad UTF-8":            "plugins: \xff\xfe\n",
		"many anchors":         many(10_000, func(i int) string { return fmt.Sprintf("a%d: &a%d x\n", i, i) }),
		"a secret from a FIFO": "plugins:\n- {name: p, kind: tag, config: {key: {file: /dev/zero}}}\n",
	}
}

// 42: wrong files, made of a good one, and bombs: each is an error with a place, in bounded time and memory, and the
// running plan stays as it was.
func TestMalformed(t *testing.T) {
	e := newEnv(t)
	c := e.open("plugins:\n- {name: good, kind: tag, config: {text: g}}\n")
	before := e.p.Explain().String()
	files := malformed(full)
	for name, why := range rightByChance {
		if _, err := config.PreviewBytes("m.yaml", []byte(files[name]), e.kinds); files[name] == "" || err != nil {
			t.Errorf("%s should be taken, since %s: %v", name, why, err)
		}
		delete(files, name)
	}
	for name, text := range bombs() {
		files["bomb: "+name] = text
	}
	if len(files) < 200 {
		t.Fatalf("only %d malformed files", len(files))
	}
	for name, text := range files {
		e.write(text)
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		begun := time.Now()
		err := c.Reload(t.Context())
		took := time.Since(begun)
		runtime.ReadMemStats(&m1)
		at, ok := errors.AsType[*config.Error](err)
		switch {
		case !ok:
			t.Errorf("%s: got %v", name, err)
		case at.File != e.path || at.Line < 1 || at.Column < 1 || at.Message == "":
			t.Errorf("%s: no place in %v", name, err)
		case strings.HasPrefix(name, "bomb") || at.Line > 1:
		case !strings.HasSuffix(name, " 1") && !strings.HasSuffix(name, " 2"):
			t.Errorf("%s: it names line %d: %v", name, at.Line, err)
		}
		if len(fmt.Sprint(err)) > 10_000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		if took > time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if got := m1.TotalAlloc - m0.TotalAlloc; got > 64<<20 {
			t.Errorf("%s: %d MiB", name, got>>20)
		}
	}
	if now := e.p.Explain().String(); now != before {
		t.Errorf("the plan changed:\n%s", now)
	}
	if got, err := e.call(stages.Meta{}); got != "gx" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	t.Logf("%d malformed files", len(files))
}

func FuzzFile(f *testing.F) {
	f.Add(full)
	for _, text := range bombs() {
		if len(text) < 2000 {
			f.Add(text)
		}
	}
	kinds := config.NewKinds()
	config.Register(kinds, "tag", func(s tagSettings) (any, error) { return &tag{tagSettings: s}, nil })
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := config.PreviewBytes("m.yaml", []byte(text), kinds); err != nil {
			if at, ok := errors.AsType[*config.Error](err); !ok || at.Line < 1 || at.Column < 1 {
				t.Errorf("no place: %v", err)
			}
		}
	})
}
