package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages are the README and all that lies in docs.
func pages(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	return append(docs, filepath.Join(root, "README.md"))
}

// The code blocks of all pages stand in the files snippets*_test.go, where they are compiled.
func TestCodeBlocksCompile(t *testing.T) {
	files, err := filepath.Glob("snippets*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, f := range files {
		source.WriteString(read(t, f))
	}
	for _, path := range pages(t) {
		if b := Missing(read(t, path), source.String()); b != nil {
			t.Errorf("this block of %s is not in internal/readme/snippets*_test.go, where it would be compiled:\n%s", path, strings.Join(b, "\n"))
		}
	}
	for name, least := range map[string]int{"README.md": 3, "docs/first-plugin.md": 11} {
		if n := len(Blocks(read(t, filepath.Join(root, name)))); n < least {
			t.Errorf("found %d blocks of Go in %s, want %d or more", n, name, least)
		}
	}
}

func TestMissingSeesAMissingBlock(t *testing.T) {
	const page = "text\n```go\na := 1\n\n\tb := 2\n```\nmore\n"
	for source, found := range map[string]bool{
		"func f() {\n\ta := 1\n\tb := 2\n}": true,
		"a := 1\nx := 3\nb := 2\n":          false,
		"aa := 1\nb := 2\n":                 false,
		"a := 1 // one\n\n// two\nb := 2\n": true,
		"a := 1\n// b := 2\n":               false,
		"":                                  false,
	} {
		if got := Missing(page, source) == nil; got != found {
			t.Errorf("%q: found %v, want %v", source, got, found)
		}
	}
}

// The prices in the page are in the form in which the report writes them; that they are its figures is a test of bench/report.
func TestPricesArePrinted(t *testing.T) {
	page := read(t, filepath.Join(root, "README.md"))
	for what, row := range map[string]string{
		"closures":  `(?m)^\| closures nested by hand \|( [\d.]+ \(\d+\) \|){4} [\d.]+ \|$`,
		"gobreaker": `(?m)^\| gobreaker.Execute around each link \|( [\d.]+ \(\d+\) \|){4} [\d.]+ \|$`,
		"hooks":     `(?m)^\| guarded Before hooks \|( [\d.]+ \(\d+\) \|){4} [\d.]+ \|$`,
		"arounds":   `(?m)^\| guarded Around links \|( [\d.]+ \(\d+\) \|){4} [\d.]+ \|$`,
		"a scope":   `(?m)^One scope per request \(two links beside 10 shared ones; made, bound, called once and dropped\): [\d.]+ ns, \d+ allocations, \d+ bytes.$`,
		"a ratio":   `(?m)^\| 10 hooks / 10 closures \| [\d.]+ \| ≤ 2.5 \|`,
	} {
		if !regexp.MustCompile(row).MatchString(page) {
			t.Errorf("README.md has no row for %s as make bench prints it", what)
		}
	}
}

// Links between the pages of the repository lead to files that exist.
func TestLinksLeadSomewhere(t *testing.T) {
	more, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	code := regexp.MustCompile("(?ms)^```.*?^```$")
	for _, page := range append(pages(t), more...) {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, m[1])
			}
		}
	}
}
