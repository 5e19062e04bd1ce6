package archtest

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"strconv"
	"testing"
)

// importName is the name by which s calls the package imp, or "" where it does not import it.
func importName(s *source, imp string) string {
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != imp {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imp)
	}
	return ""
}

// selected splits the expression x.name into its parts, where x is a plain identifier.
func selected(e ast.Expr) (x, name string) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return id.Name, sel.Sel.Name
}

// checkSleep finds time.Sleep in tests. In a file that uses testing/synctest the clock is a fake one, and a sleep is exact.
func checkSleep(s *source) []string {
	clock := importName(s, "time")
	if !s.isTest() || clock == "" || importName(s, "testing/synctest") != "" {
		return nil
	}
	var complaints []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if x, name := selected(e); x == clock && name == "Sleep" {
				complaints = append(complaints, s.at(n, "time.Sleep in a test: wait for the event itself (a channel, a WaitGroup), or use testing/synctest, where time is fake"))
			}
		}
		return true
	})
	return complaints
}

// checkSkip finds tests that skip themselves instead of asking internal/testneed, which fails them in CI.
func checkSkip(s *source) []string {
	pkg := importName(s, "testing")
	if pkg == "" || under(s.path, "internal/testneed") {
		return nil
	}
	v := &skipVisitor{source: s, testing: pkg, complaints: new([]string)}
	ast.Walk(v, s.file)
	return *v.complaints
}

// skipVisitor carries the parameters in scope: whether each is a *testing.T, B, F or a testing.TB. A parameter of another
// type with the same name, such as the t of a rapid.Check, hides it.
type skipVisitor struct {
	source     *source
	testing    string // the name of the package testing
	params     map[string]bool
	complaints *[]string
}

func (v *skipVisitor) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.FuncDecl:
		return v.enter(n.Type)
	case *ast.FuncLit:
		return v.enter(n.Type)
	case *ast.CallExpr:
		x, name := selected(n.Fun)
		if v.params[x] && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name) {
			*v.complaints = append(*v.complaints, v.source.at(n, "%s.%s in a test: ask internal/testneed for what is missing, so that CI fails instead of skipping", x, name))
		}
	}
	return v
}

// enter returns the visitor of a function's body.
func (v *skipVisitor) enter(f *ast.FuncType) ast.Visitor {
	inner := *v
	inner.params = maps.Clone(v.params)
	if inner.params == nil {
		inner.params = map[string]bool{}
	}
	for _, field := range f.Params.List {
		typ := field.Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		x, name := selected(typ)
		for _, id := range field.Names {
			inner.params[id.Name] = x == v.testing && slices.Contains([]string{"T", "B", "F", "TB"}, name)
		}
	}
	return &inner
}

func TestCheckSleep(t *testing.T) {
	const sleep = "\nfunc TestX(t *testing.T) { time.Sleep(1) }"
	for _, tc := range []struct {
		name, path, src string
		want            []string
	}{
		{name: "in a test", path: "chain/a_test.go", src: "package chain\nimport (\"testing\"; \"time\")" + sleep, want: []string{"chain/a_test.go:3: time.Sleep"}},
		{name: "under another name", path: "chain/a_test.go", src: "package chain\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }", want: []string{"chain/a_test.go:3: time.Sleep"}},
		{name: "as a value", path: "chain/a_test.go", src: "package chain\nimport \"time\"\nvar wait = time.Sleep", want: []string{"chain/a_test.go:3: time.Sleep"}},
		{name: "in a bubble", path: "chain/a_test.go", src: "package chain\nimport (\"testing\"; \"testing/synctest\"; \"time\")" + sleep},
		{name: "not in a test", path: "chain/a.go", src: "package chain\nimport (\"testing\"; \"time\")" + sleep},
		{name: "another Sleep", path: "chain/a_test.go", src: "package chain\nimport \"time\"\nvar _ = time.Second\nfunc f() { x.Sleep(1) }"},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, checkSleep(fixture(t, tc.path, tc.src)), tc.want) })
	}
}

func TestCheckSkip(t *testing.T) {
	const head = "package chain\nimport \"testing\"\n"
	for _, tc := range []struct {
		name, path, src string
		want            []string
	}{
		{name: "in a test", path: "chain/a_test.go", src: head + "func TestX(t *testing.T) { t.Skip() }", want: []string{"chain/a_test.go:3: t.Skip in a test"}},
		{name: "in a subtest", path: "chain/a_test.go", src: head + "func TestX(t *testing.T) { t.Run(\"\", func(t *testing.T) { t.SkipNow() }) }", want: []string{"t.SkipNow"}},
		{name: "in a helper of a test kit", path: "chain/chaintest/a.go", src: head + "func f(tb testing.TB) { tb.Skipf(\"\") }", want: []string{"tb.Skipf"}},
		{name: "in a fuzz target", path: "chain/a_test.go", src: head + "func FuzzX(f *testing.F) { f.Fuzz(func(t *testing.T, b []byte) { t.Skip() }) }", want: []string{"t.Skip"}},
		{name: "a discarded draw is no skip", path: "chain/a_test.go", src: head + "func TestX(t *testing.T) { rapid.Check(t, func(t *rapid.T) { t.Skip() }) }"},
		{name: "another Skip", path: "chain/a_test.go", src: head + "func TestX(t *testing.T) { lexer.Skip() }"},
		{name: "the helper itself", path: "internal/testneed/testneed.go", src: head + "func f(tb testing.TB) { tb.Skipf(\"\") }"},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, checkSkip(fixture(t, tc.path, tc.src)), tc.want) })
	}
}
