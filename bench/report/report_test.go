package report

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/maillon-go/maillon/bench/bound"
	"github.com/maillon-go/maillon/bench/scenario"
)

const root = "../.."

// What stands between markers in the pages, and the tables and charts beside the results, are what the committed results say.
func TestPagesSayWhatTheResultsSay(t *testing.T) {
	dir := filepath.Join(root, Folder)
	r, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	const again = "run go run -C bench ./cmd/report -render"
	for _, page := range Pages {
		b, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		filled, err := r.Fill(string(b), wayTo(page))
		if err != nil {
			t.Errorf("%s: %v", page, err)
		}
		if filled != string(b) {
			t.Errorf("%s has figures that are not in %s/%s: %s", page, Folder, File, again)
		}
		if loose := figure.FindString(marked.ReplaceAllString(string(b), "")); loose != "" {
			t.Errorf("%s has the figure %q outside of the parts that are made from the results", page, loose)
		}
		if n := len(marked.FindAllString(string(b), -1)); n < 3 {
			t.Errorf("%s has %d parts of the report", page, n)
		}
	}
	files, err := r.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := Sum(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		// Another machine may draw a chart with other last digits: there the sum counts.
		chart := strings.HasSuffix(name, ".svg")
		if chart && (!bytes.Contains(got, []byte(sum)) || !slices.Equal(texts(got), texts(want))) || !chart && !bytes.Equal(got, want) {
			t.Errorf("%s/%s is not made from %s: %s", Folder, name, File, again)
		}
	}
}

// figure is a price in prose.
var figure = regexp.MustCompile(`\d[\d.,]*\s?([nµ]s|nanoseconds|microseconds)\b`)

// texts are the labels of a chart.
func texts(svg []byte) []string {
	return regexp.MustCompile(`>[^<]+</text>`).FindAllString(string(svg), -1)
}

// Each ratio beside a peer stands under the head that it belongs to.
func TestAheadHasItsColumns(t *testing.T) {
	var results Results
	for i, name := range []string{"x / hooks: noop, 1", "y / hooks: noop, 1", "z / hooks: noop, 1", "z / hooks: rewrite, 10", "y / hooks: block, 10", "x / hooks: rewrite, 10"} {
		r := bound.Result{Bound: bound.Bound{Name: name, Group: bound.Peers, Over: "a", Under: "b", Limit: 1}, Ratio: float64(i)}
		results.Bounds = append(results.Bounds, r)
	}
	want := "scenario x / hooks (≤ 1) y / hooks (≤ 1) z / hooks (≤ 1)|noop, 1 0.00 1.00 2.00|rewrite, 10 5.00 - 3.00|block, 10 - 4.00 -"
	table := results.Ahead()
	got := strings.Join(table.Head, " ")
	for _, row := range table.Rows {
		got += "|" + strings.Join(row, " ")
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A run that is kept is whole: every part of a page has figures, and every bound is in it.
func TestCommittedResultsAreWhole(t *testing.T) {
	r, err := Load(filepath.Join(root, Folder))
	if err != nil {
		t.Fatal(err)
	}
	const again = ": run go run -C bench ./cmd/report -write"
	measured := map[string]bound.Bound{}
	for _, b := range r.Bounds {
		measured[b.Name] = b.Bound
		if v := b.Verdict(); v == bound.Missed || v == bound.None {
			t.Errorf("%s: %s, %v", b.Name, v, b.Ratio)
		}
	}
	for _, b := range bound.All() {
		if got := measured[b.Name]; !reflect.DeepEqual(got, b) {
			t.Errorf("%s: measured as %+v, is %+v%s", b.Name, got, b, again)
		}
	}
	sample, err := time.ParseDuration(r.Sample)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenario.All() {
		for _, c := range s.Cells {
			cell, ok := r.find(c.ID())
			if !ok {
				t.Errorf("%s was not measured%s", c.ID(), again)
			}
			// Few and short samples are of cold caches, or of one hiccup.
			if took := cell.NS * float64(cell.Calls); cell.Calls > 1 && cell.Calls != 256 && !within(took, float64(sample), 4) {
				t.Errorf("%s: %d calls of %.0f ns in a sample that is to take %s%s", c.ID(), cell.Calls, cell.NS, sample, again)
			}
		}
	}
	if !r.Soak.Where.Clean() || r.Soak.Duration < 10*time.Minute {
		t.Errorf("the soak is one of %v, of %s: make soak SOAKFLAGS=-save", r.Soak.Duration, r.Soak.Where.Commit)
	}
	if !r.Where.Clean() {
		t.Errorf("the results are of %s, which nobody else has%s", r.Where.Commit, again)
	}
	for name, part := range parts {
		text, err := part(r, "x")
		if err != nil || strings.Count(text, "\n") < 1 || strings.Count(text, "\n") == 2 || strings.Contains(text, "NaN") || strings.Contains(text, "| 0.0 (") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	if len(r.Modules) < 10 || r.Where.Commit == "" || r.Soak.Calls == 0 {
		t.Errorf("%v, %+v, %+v", r.Modules, r.Where, r.Soak)
	}
}

func within(got, want, times float64) bool { return got <= want*times && got >= want/times }

func TestFill(t *testing.T) {
	r := Results{Soak: new(Soak), Cells: []Cell{{ID: "request/links=10/request", Scenario: "request", Links: 10, NS: 1234, Allocs: 5, Bytes: 6}}}
	for _, tc := range []struct{ name, page, want, err string }{
		{"nothing to fill", "a\nb\n", "a\nb\n", ""},
		{"empty", "a\n<!-- report:request -->\n<!-- /report -->\nb\n", "a\n<!-- report:request -->\nOne scope per request (two links beside 10 shared ones; made, bound, called once and dropped): 1234 ns, 5 allocations, 6 bytes.\n<!-- /report -->\nb\n", ""},
		{"filled before, two of them", "<!-- report:chart-links -->\nold\nolder\n<!-- /report -->-<!-- report:chart-peers -->\n<!-- /report -->", "<!-- report:chart-links -->\n![ns per call by the number of steps](to/links.svg)\n<!-- /report -->-<!-- report:chart-peers -->\n![ns per call by peer](to/peers.svg)\n<!-- /report -->", ""},
		{"unknown", "<!-- report:nobody -->\n<!-- /report -->", "", `no part is called "nobody"`},
		{"not closed", "<!-- report:request -->\n", "", "has no <!-- /report -->"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := r.Fill(tc.page, "to")
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, tc.want)
			}
		})
	}
}

// Update fills what is there from what is there, and the second time changes nothing.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, Folder), os.DirFS(filepath.Join(root, Folder))); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "README.md")
	if err := os.WriteFile(page, []byte("<!-- report:bounds -->\n<!-- /report -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var last []byte
	for range 2 {
		if err := Update(dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(page)
		if err != nil || !bytes.Contains(got, []byte("| 10 hooks / 10 closures | ")) || last != nil && !bytes.Equal(got, last) {
			t.Errorf("%v\n%s", err, got)
		}
		last = got
	}
	if err := Update(t.TempDir()); err == nil {
		t.Error("no error without results")
	}
}

func TestTable(t *testing.T) {
	table := Table{Head: []string{"what", "ns", "who", "bound"}, Rows: [][]string{{"a", "1.5 (0)", "me", "≤ 2"}, {"bc", none, "you", none}}}
	if got, want := table.Markdown(), "| what | ns | who | bound |\n|---|--:|---|--:|\n| a | 1.5 (0) | me | ≤ 2 |\n| bc | - | you | - |\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	if got, want := table.Text(), "what  ns       who  bound\na     1.5 (0)  me   ≤ 2\nbc    -        you  -\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

// Run takes part of the cells, each in every round, and tells of its progress.
func TestRun(t *testing.T) {
	var told bytes.Buffer
	r := Run(Options{Where: Here(t.Context()), Only: regexp.MustCompile(`^rewrite/.*/(gobreaker|maillon hooks)$`), Rounds: 6, Sample: 50 * time.Microsecond, Progress: &told})
	if len(r.Cells) != 2 || len(r.Bounds) != 0 {
		t.Fatalf("%d cells, %d bounds", len(r.Cells), len(r.Bounds))
	}
	for _, c := range r.Cells {
		if c.NS <= 0 || c.Low > c.NS || c.High < c.NS || c.Confidence < confidence || c.Allocs != 4 || c.Links != 10 {
			t.Errorf("%+v", c)
		}
	}
	if !strings.Contains(told.String(), "round 6 of 6") || !strings.Contains(r.All(), "## rewrite") {
		t.Errorf("%q\n%s", told.String(), r.All())
	}
	if r.Where.Go == "" || r.Where.CPUs < 1 || r.Where.Date == "" {
		t.Errorf("%+v", r.Where)
	}
}

func TestFit(t *testing.T) {
	at0, slope := fit([]Cell{{Links: 0, NS: 10}, {Links: 10, NS: 30}, {Links: 100, NS: 210}})
	if at0 < 9.99 || at0 > 10.01 || slope < 1.999 || slope > 2.001 {
		t.Errorf("%v + %v n", at0, slope)
	}
}

func TestFlat(t *testing.T) {
	stack := func(n int64, names ...string) *profile.Sample {
		s := &profile.Sample{Value: []int64{n, 0}}
		for _, name := range names {
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
		}
		return s
	}
	got := flat("x", &profile.Profile{Sample: []*profile.Sample{
		stack(3, "example.com/a/b.(*T[go.shape.struct { x example.com/z.Y }]).run", "main.main"),
		stack(1, "time.now", "example.com/a/b.f"),
		stack(4, "runtime.asyncPreempt", "example.com/a/b.g"),
		stack(9),
	}})
	if got.Samples != 8 || len(got.Rows) != 3 || got.Rows[0] != (Row{"example.com/a/b.g", 0.5}) {
		t.Errorf("%+v", got)
	}
	if len(got.Parts) != 2 || got.Parts[0] != (Row{"example.com/a/b", 0.875}) || got.Parts[1] != (Row{"time", 0.125}) {
		t.Errorf("%+v", got.Parts)
	}
	if p := profileOf(profiled[0], 50*time.Millisecond); p.ID != profiled[0] {
		t.Errorf("%+v", p)
	}
}
