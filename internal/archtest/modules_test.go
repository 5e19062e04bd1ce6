package archtest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// goMod is the part of go mod edit -json that the rules look at.
type goMod struct {
	Module  struct{ Path string }
	Require []require
	Replace []replace
}

type require struct {
	Path     string
	Indirect bool
}

type replace struct {
	Old, New struct{ Path string }
}

// rootMayRequire is everything that a user of the root module downloads, and why. What needs anything heavier is a
// module of its own, with a replace to the root.
var rootMayRequire = map[string]string{
	backoff:                        "delays of middleware.Retry",
	gobreaker:                      "the breaker on every link",
	lo:                             "building plans and their descriptions; never on the call path",
	xsync:                          "bounded groups",
	xtime:                          "rate limits",
	zap:                            "logs",
	"github.com/goccy/go-yaml":     "plugin files, with line and column of errors",
	"github.com/fsnotify/fsnotify": "watching plugin files",
	"github.com/HdrHistogram/hdrhistogram-go":   "histograms of the profiler",
	"github.com/mattn/go-isatty":                "whether a trace goes to a terminal",
	"github.com/google/jsonschema-go":           "schemas of tools and outputs",
	"github.com/petar-dambovaliev/aho-corasick": "terms of the content policy",
	"github.com/maypok86/otter/v2":              "the response cache, bounded by bytes; brings nothing else into a build",

	goleak: "tests only",
	rapid:  "tests only",

	"go.uber.org/multierr": "indirect, by zap",
	"golang.org/x/sys":     "indirect, by fsnotify",
	"golang.org/x/text":    "forms of Unicode in the content policy; also by lo",
}

// checkRootModule keeps the root module light.
func checkRootModule(m goMod) []string {
	var complaints []string
	if m.Module.Path != project {
		complaints = append(complaints, fmt.Sprintf("go.mod: module %s, want %s", m.Module.Path, project))
	}
	for _, r := range m.Require {
		if rootMayRequire[r.Path] == "" {
			complaints = append(complaints, fmt.Sprintf("go.mod: requires %s: give the package that needs it a go.mod of its own, or add it to the list in internal/archtest with its reason (allowed: %s)",
				r.Path, strings.Join(slices.Sorted(maps.Keys(rootMayRequire)), ", ")))
		}
	}
	for _, r := range m.Replace {
		complaints = append(complaints, fmt.Sprintf("go.mod: replaces %s: users do not see a replace of the root module", r.Old.Path))
	}
	return complaints
}

// checkNestedModule makes sure that the module in dir is built against this checkout.
func checkNestedModule(dir string, m goMod) []string {
	var complaints []string
	if want := project + "/" + dir; m.Module.Path != want {
		complaints = append(complaints, fmt.Sprintf("%s/go.mod: module %s, want %s", dir, m.Module.Path, want))
	}
	i := slices.IndexFunc(m.Replace, func(r replace) bool { return r.Old.Path == project })
	up := strings.TrimSuffix(strings.Repeat("../", strings.Count(dir, "/")+1), "/")
	if i < 0 {
		complaints = append(complaints, fmt.Sprintf("%s/go.mod: no replace to the root: go mod edit -replace %s=%s", dir, project, up))
	}
	for _, r := range m.Replace {
		folder, ours := strings.CutPrefix(r.Old.Path+"/", project+"/")
		if want := path.Join(up, folder); ours && path.Clean(r.New.Path) != want {
			complaints = append(complaints, fmt.Sprintf("%s/go.mod: replaces %s by %s, want %s", dir, r.Old.Path, r.New.Path, want))
		}
	}
	return complaints
}

// mod builds a goMod; replaces are pairs of old and new path.
func mod(name string, requires []string, replaces ...string) goMod {
	var m goMod
	m.Module.Path = name
	for _, r := range requires {
		m.Require = append(m.Require, require{Path: r})
	}
	for i := 0; i < len(replaces); i += 2 {
		var r replace
		r.Old.Path, r.New.Path = replaces[i], replaces[i+1]
		m.Replace = append(m.Replace, r)
	}
	return m
}

func TestCheckRootModule(t *testing.T) {
	for _, tc := range []struct {
		name string
		mod  goMod
		want []string
	}{
		{name: "light", mod: mod(project, []string{zap, lo, rapid})},
		{name: "heavy", mod: mod(project, []string{zap, "go.opentelemetry.io/otel"}), want: []string{"requires go.opentelemetry.io/otel: give the package"}},
		{name: "renamed", mod: mod("example.com/m", nil), want: []string{"module example.com/m, want " + project}},
		{name: "replace", mod: mod(project, []string{zap}, zap, "../zap"), want: []string{"replaces " + zap}},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, checkRootModule(tc.mod), tc.want) })
	}
}

func TestCheckNestedModule(t *testing.T) {
	for _, tc := range []struct {
		name, dir string
		mod       goMod
		want      []string
	}{
		{name: "one level down", dir: "bench", mod: mod(project+"/bench", nil, project, "../")},
		{name: "two levels down", dir: "contrib/otel", mod: mod(project+"/contrib/otel", nil, project, "../..")},
		{name: "beside another nested module", dir: "examples/live", mod: mod(project+"/examples/live", nil, project, "../..", project+"/contrib/otel", "../../contrib/otel")},
		{name: "no replace", dir: "contrib/otel", mod: mod(project+"/contrib/otel", nil), want: []string{"go mod edit -replace " + project + "=../.."}},
		{name: "replace to elsewhere", dir: "bench", mod: mod(project+"/bench", nil, project, "../../other"), want: []string{"by ../../other, want .."}},
		{name: "another nested module elsewhere", dir: "bench", mod: mod(project+"/bench", nil, project, "..", project+"/contrib/otel", "../otel"), want: []string{"by ../otel, want ../contrib/otel"}},
		{name: "a foreign module may be replaced", dir: "bench", mod: mod(project+"/bench", nil, project, "..", zap, "../zap")},
		{name: "another name", dir: "bench", mod: mod("example.com/bench", nil, project, ".."), want: []string{"module example.com/bench, want " + project + "/bench"}},
	} {
		t.Run(tc.name, func(t *testing.T) { expect(t, checkNestedModule(tc.dir, tc.mod), tc.want) })
	}
}
