package archtest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// anyModule stands for every module that the go.mod in question requires.
const anyModule = "any"

// layer says what the non-test files below dir may import beside the standard library. The first layer that holds a
// file counts. What is below dir may always be imported from there, except a narrower layer.
type layer struct {
	dir     string
	folders []string // of this project
	modules []string // of others, by the prefix of their path
}

const (
	backoff   = "github.com/cenkalti/backoff/v5"
	gobreaker = "github.com/sony/gobreaker/v2"
	goleak    = "go.uber.org/goleak"
	lo        = "github.com/samber/lo"
	rapid     = "pgregory.net/rapid"
	xsync     = "golang.org/x/sync"
	xtime     = "golang.org/x/time"
	zap       = "go.uber.org/zap"
)

var layers = []layer{
	{"chain/chaintest", []string{"chain"}, []string{gobreaker, goleak, zap}},
	{"chain", []string{"internal/errlog"}, []string{gobreaker, lo, xsync, zap}},
	{"stages", []string{"chain"}, []string{lo, zap}},
	{"middleware", []string{"chain", "internal/errlog"}, []string{backoff, gobreaker, xsync, xtime, zap}},
	{"session", []string{"chain", "stages", "middleware", "internal/errlog"}, []string{anyModule}},
	{"contrib/all", []string{"chain", "stages", "middleware", "session", "contrib"}, []string{anyModule}},                        // the kinds of all of them
	{"contrib/openai", []string{"chain", "stages", "middleware", "session", "contrib/httpx"}, []string{anyModule}},               // requests of its SDK
	{"contrib", []string{"chain", "stages", "middleware", "session", "contrib/config", "contrib/internal"}, []string{anyModule}}, // config.Secret
	{"bench", []string{"chain", "chain/chaintest", "stages", "middleware", "session", "contrib"}, []string{anyModule}},
	{"examples", []string{"chain", "chain/chaintest", "stages", "middleware", "session", "contrib"}, []string{anyModule}},
	{"internal/exampletest", []string{"chain", "stages"}, []string{zap}},
	{"internal/plugintest", []string{"chain", "stages", "session", "contrib/config"}, nil}, // for tests of plugins; they alone may import it
	{"internal", nil, []string{anyModule}},
}

// checkImports enforces the direction of imports.
func checkImports(s *source) []string {
	i := slices.IndexFunc(layers, func(l layer) bool { return under(s.path, l.dir) })
	if i < 0 {
		return []string{fmt.Sprintf("%s: belongs to no layer: move it into one of %s", s.path, layerNames())}
	}
	if s.isTest() {
		return nil
	}
	l := layers[i]
	own := ownFolder(s.path, l)
	var complaints []string
	for _, spec := range s.file.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return []string{s.at(spec, "%v", err)}
		}
		folder, ours := strings.CutPrefix(imp, project+"/")
		switch {
		case imp == project:
			complaints = append(complaints, s.at(spec, "imports %s, which has no package", imp))
		case ours && !mayImport(l, own, folder):
			complaints = append(complaints, s.at(spec, "%s may not import %s, only %s: move the code to a layer that may, or let the caller pass in what is needed",
				own, folder, strings.Join(append([]string{own}, l.folders...), ", ")))
		case !ours && strings.Contains(strings.Split(imp, "/")[0], ".") && !allowedModule(l.modules, imp):
			complaints = append(complaints, s.at(spec, "%s may not import %s, only the standard library and %s: move the code to another layer, or extend the list in internal/archtest with a decision record",
				own, imp, strings.Join(l.modules, ", ")))
		}
	}
	return complaints
}

// ownFolder is the folder below which a file's imports are its own affair. In contrib and examples every package stands
// on its own.
func ownFolder(file string, l layer) string {
	if l.dir != "contrib" && l.dir != "examples" {
		return l.dir
	}
	rest := strings.TrimPrefix(path.Dir(file), l.dir)
	first, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	return path.Join(l.dir, first)
}

func mayImport(l layer, own, folder string) bool {
	// The narrowest layer that holds the imported package decides: chain does not include chain/chaintest.
	i := slices.IndexFunc(layers, func(l layer) bool { return under(folder, l.dir) })
	if i < 0 {
		return false
	}
	if under(folder, own) {
		return layers[i].dir == l.dir
	}
	return slices.ContainsFunc(l.folders, func(f string) bool {
		return under(folder, f) && (f == layers[i].dir || under(f, layers[i].dir) || f == "contrib")
	})
}

func allowedModule(modules []string, imp string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return m == anyModule || under(imp, m) })
}

func layerNames() string {
	var names []string
	for _, l := range layers {
		names = append(names, l.dir)
	}
	return strings.Join(names, ", ")
}

func TestCheckImports(t *testing.T) {
	const ours = project + "/"
	for _, tc := range []struct {
		name, path string
		imports    []string
		want       []string
	}{
		{name: "chain: what it may", path: "chain/a.go", imports: []string{"context", "go/ast", lo, zap, zap + "/zapcore", xsync + "/errgroup", gobreaker, ours + "chain/internal/x"}},
		{name: "chain: stages", path: "chain/a.go", imports: []string{ours + "stages"}, want: []string{"chain/a.go:3: chain may not import stages"}},
		{name: "chain: internal", path: "chain/a.go", imports: []string{ours + "internal/x"}, want: []string{"chain may not import internal/x"}},
		{name: "chain: its test kit", path: "chain/a.go", imports: []string{ours + "chain/chaintest"}, want: []string{"chain may not import chain/chaintest"}},
		{name: "chain: another module", path: "chain/sub/a.go", imports: []string{backoff}, want: []string{"chain may not import " + backoff}},
		{name: "chain: a module with a similar name", path: "chain/a.go", imports: []string{lo + "ng"}, want: []string{"chain may not import " + lo + "ng"}},
		{name: "chain: tests are free", path: "chain/a_test.go", imports: []string{ours + "chain/chaintest", ours + "stages", rapid}},
		{name: "chaintest: what it may", path: "chain/chaintest/a.go", imports: []string{ours + "chain", goleak, zap + "/zaptest/observer", gobreaker}},
		{name: "chaintest: stages", path: "chain/chaintest/a.go", imports: []string{ours + "stages"}, want: []string{"chain/chaintest may not import stages"}},
		{name: "chaintest: lo", path: "chain/chaintest/a.go", imports: []string{lo}, want: []string{"may not import " + lo}},
		{name: "stages: what it may", path: "stages/a.go", imports: []string{ours + "chain", ours + "stages/sub", lo, zap}},
		{name: "stages: middleware and session", path: "stages/a.go", imports: []string{ours + "middleware", ours + "session"}, want: []string{"stages may not import middleware", "stages may not import session"}},
		{name: "stages: gobreaker", path: "stages/a.go", imports: []string{gobreaker}, want: []string{"stages may not import " + gobreaker}},
		{name: "stages: the test kit", path: "stages/a.go", imports: []string{ours + "chain/chaintest"}, want: []string{"stages may not import chain/chaintest"}},
		{name: "middleware: what it may", path: "middleware/a.go", imports: []string{ours + "chain", backoff, gobreaker, xtime + "/rate", xsync + "/singleflight", zap}},
		{name: "middleware: stages", path: "middleware/a.go", imports: []string{ours + "stages"}, want: []string{"middleware may not import stages"}},
		{name: "session: what it may", path: "session/a.go", imports: []string{ours + "chain", ours + "stages", ours + "middleware", "github.com/goccy/go-yaml"}},
		{name: "session: contrib", path: "session/a.go", imports: []string{ours + "contrib/ngram"}, want: []string{"session may not import contrib/ngram"}},
		{name: "contrib: what it may", path: "contrib/ngram/a.go", imports: []string{ours + "chain", ours + "session", ours + "contrib/ngram/internal/x", "example.com/heavy"}},
		{name: "contrib: internal", path: "contrib/ngram/a.go", imports: []string{ours + "internal/testneed"}, want: []string{"contrib/ngram may not import internal/testneed"}},
		{name: "contrib: another plugin", path: "contrib/ngram/a.go", imports: []string{ours + "contrib/audit"}, want: []string{"contrib/ngram may not import contrib/audit"}},
		{name: "contrib: a test uses internal", path: "contrib/ngram/a_test.go", imports: []string{ours + "internal/testneed"}},
		{name: "exampletest: what it may", path: "internal/exampletest/a.go", imports: []string{ours + "chain", ours + "stages", zap + "/zapcore"}},
		{name: "exampletest: session", path: "internal/exampletest/a.go", imports: []string{ours + "session"}, want: []string{"internal/exampletest may not import session"}},
		{name: "bench: what it may", path: "bench/gate/a.go", imports: []string{ours + "chain", ours + "chain/chaintest", ours + "contrib/ngram", ours + "bench/internal/x"}},
		{name: "bench: internal", path: "bench/a.go", imports: []string{ours + "internal/x"}, want: []string{"bench may not import internal/x"}},
		{name: "examples: what it may", path: "examples/quickstart/main.go", imports: []string{ours + "session", ours + "contrib/ngram"}},
		{name: "examples: internal and another example", path: "examples/quickstart/main.go", imports: []string{ours + "internal/x", ours + "examples/live"}, want: []string{"may not import internal/x", "may not import examples/live"}},
		{name: "internal: itself", path: "internal/x/a.go", imports: []string{ours + "internal/y"}},
		{name: "internal: chain", path: "internal/x/a.go", imports: []string{ours + "chain"}, want: []string{"internal may not import chain"}},
		{name: "the kit of plugin tests: what it may", path: "internal/plugintest/a.go", imports: []string{ours + "session", ours + "contrib/config"}},
		{name: "the kit of plugin tests: a plugin", path: "internal/plugintest/a.go", imports: []string{ours + "contrib/pii", zap}, want: []string{"may not import contrib/pii", "may not import " + zap}},
		{name: "the kit of plugin tests: a plugin uses it", path: "contrib/pii/a.go", imports: []string{ours + "internal/plugintest"}, want: []string{"contrib/pii may not import internal/plugintest"}},
		{name: "the module itself", path: "session/a.go", imports: []string{project}, want: []string{"has no package"}},
		{name: "a file outside the layers", path: "main.go", want: []string{"main.go: belongs to no layer"}},
		{name: "a folder outside the layers", path: "pkg/a_test.go", want: []string{"belongs to no layer"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := "package p\n"
			for _, imp := range tc.imports {
				src += fmt.Sprintf("\nimport _ %q", imp)
			}
			expect(t, checkImports(fixture(t, tc.path, src)), tc.want)
		})
	}
}
