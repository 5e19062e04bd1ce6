package all_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/all"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/contrib/httpx"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/contrib/policy"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/internal/readme"
)

// settings are those of all plugins, by the page that describes them.
var settings = map[string][]any{
	"all.md":       {all.Options{}, all.Retry{}, all.Timeout{}},
	"audit.md":     {all.Audit{}, all.SQL{}},
	"budget.md":    {all.Budget{}},
	"cache.md":     {cache.Settings{}},
	"debug.md":     {all.Debug{}},
	"httpx.md":     {httpx.Settings{}},
	"otel.md":      {otel.Settings{}},
	"pii.md":       {pii.Settings{}},
	"policy.md":    {policy.Settings{}},
	"profiler.md":  {profiler.Settings{}},
	"ratelimit.md": {ratelimit.Settings{}},
}

// The Go of the pages stands in snippets_test.go, where it is compiled.
func TestCodeBlocksCompile(t *testing.T) {
	source, err := os.ReadFile("snippets_test.go")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/plugins/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		n += len(readme.Blocks(string(text)))
		if b := readme.Missing(string(text), string(source)); b != nil {
			t.Errorf("this block of %s is not in snippets_test.go, where it would be compiled:\n%s", page, strings.Join(b, "\n"))
		}
	}
	if n < 18 {
		t.Errorf("found %d blocks of Go in %d pages", n, len(pages))
	}
}

// Every setting has a row in a table of its plugin's page, and every row is one of a setting.
func TestPagesNameEverySetting(t *testing.T) {
	pages, err := filepath.Glob("../../docs/plugins/*.md")
	if err != nil || len(pages) != len(settings)+1 {
		t.Fatalf("%d pages, %d are known here: %v", len(pages), len(settings), err)
	}
	for _, page := range pages {
		if filepath.Base(page) == "README.md" {
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[string]bool{}
		for _, s := range settings[filepath.Base(page)] {
			keysOf(reflect.TypeOf(s), keys)
		}
		if len(keys) == 0 {
			t.Errorf("%s: no settings are known here", page)
		}
		first, named := rows(string(text))
		for key := range keys {
			if !slices.Contains(named, key) {
				t.Errorf("%s: no table has %s", page, key)
			}
		}
		for _, key := range first {
			if !keys[key] {
				t.Errorf("%s: there is no setting %s", page, key)
			}
		}
	}
}

// keysOf adds the keys of a struct, and the names of what only Go can give.
func keysOf(s reflect.Type, keys map[string]bool) {
	for i := range s.NumField() {
		f := s.Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			keysOf(f.Type, keys)
			continue
		case !f.IsExported():
			continue
		case key == "" || key == "-":
			key = f.Name
		}
		keys[key] = true
		if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			keysOf(f.Type.Elem(), keys)
		}
	}
}

var code = regexp.MustCompile("`([a-z_]+(?:\\[\\])?\\.)?([A-Za-z_]+)`")

// rows are the names in the tables of settings: those in first cells, and all. "limits[].name" and "sql.name" are name.
func rows(page string) (first, all []string) {
	in := false
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			in = false
			continue
		}
		if head := strings.Fields(cells[1]); !in && len(head) > 0 && (head[0] == "key" || head[0] == "field") {
			in = true
			continue
		}
		if !in {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			first = append(first, m[2])
		}
		for _, m := range code.FindAllStringSubmatch(line, -1) {
			all = append(all, m[2])
		}
	}
	return first, all
}
