package report

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/bench/bound"
	"github.com/maillon-go/maillon/bench/peers"
)

// Folder is where a run's results, tables and charts lie, and Pages are the pages that take parts of them, all from the root of the
// repository.
const Folder = "bench/results"

// Pages are those pages.
var Pages = []string{"README.md", "docs/performance.md"}

// part is a piece of a page; to is the way from the page to Folder.
type part func(r Results, to string) (string, error)

func table(f func(r Results) Table) part {
	return func(r Results, _ string) (string, error) { return f(r).Markdown(), nil }
}

func chart(title, file string) part {
	return func(_ Results, to string) (string, error) { return fmt.Sprintf("![%s](%s/%s)\n", title, to, file), nil }
}

func kept(g bound.Group) part { return table(func(r Results) Table { return r.Kept(g) }) }

func graded(g peers.Grade) part { return table(func(r Results) Table { return r.Grade(g) }) }

// parts are what a page can have between markers, by name.
var parts = map[string]part{
	"price":      table(Results.Prices),
	"request":    func(r Results, _ string) (string, error) { return r.Request(), nil },
	"bounds":     kept(bound.Price),
	"ahead":      table(Results.Ahead),
	"growing":    kept(bound.Growth),
	"growth":     table(Results.Growth),
	"peers":      table(Results.Peers),
	"plain":      graded(peers.Plain),
	"recovering": graded(peers.Recovering),
	"guarded":    graded(peers.Guarded),
	"others": table(func(r Results) Table {
		return r.Several("timeout-idle", "timeout-fires", "concurrent", "background")
	}),
	"sessions":       table(func(r Results) Table { return r.Scenario("session") }),
	"realistic":      table(func(r Results) Table { return r.Scenario("realistic") }),
	"where":          func(r Results, _ string) (string, error) { return r.Where.String(r), nil },
	"soak":           table(func(r Results) Table { return r.Soak.Table() }),
	"chart-links":    chart("ns per call by the number of steps", "links.svg"),
	"chart-peers":    chart("ns per call by peer", "peers.svg"),
	"chart-features": chart("ns per call by what happens in it", "features.svg"),
	"chart-growth":   chart("growth of the price", "growth.svg"),
	"profile-hooks":  profiledPart("variants/links=10/hooks"),
	"profile-around": profiledPart("variants/links=10/around"),
	"profile-error":  partsOf("backend-error/links=10/guarded/maillon arounds"),
	"profile-peer":   profiledPart("variants/links=10/gobreaker"),
	"profile-calls":  partsOf("session/links=0/instruct"),
}

func partsOf(id string) part { return table(func(r Results) Table { return r.Parts(id) }) }

func profiledPart(id string) part { return table(func(r Results) Table { return r.Profile(id) }) }

// String says where the figures are from, in a line.
func (w Where) String(r Results) string {
	return fmt.Sprintf("%s, %d CPUs, %s/%s, %s; commit %s, %s; medians of %d samples of about %s each, every cell once per round, in an order that changes.\n",
		w.CPU, w.CPUs, w.OS, w.Arch, w.Go, w.Commit, w.Date, r.Rounds, r.Sample)
}

var marked = regexp.MustCompile(`(?s)<!-- report:([a-z-]+) -->\n(.*?)<!-- /report -->`)

// Fill puts the parts between the markers of a page. to is the way from it to Folder.
func (r Results) Fill(page, to string) (string, error) {
	var errs []error
	out := marked.ReplaceAllStringFunc(page, func(found string) string {
		name := marked.FindStringSubmatch(found)[1]
		p := parts[name]
		if p == nil {
			errs = append(errs, fmt.Errorf("no part is called %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(parts)), ", ")))
			return found
		}
		text, err := p(r, to)
		errs = append(errs, err)
		return fmt.Sprintf("<!-- report:%s -->\n%s<!-- /report -->", name, text)
	})
	if strings.Count(page, "<!-- report:") != len(marked.FindAllString(page, -1)) {
		errs = append(errs, errors.New("a marker <!-- report:NAME --> has no <!-- /report -->"))
	}
	return out, errors.Join(errs...)
}

// Draw makes the tables and charts beside the results in the Folder of the repository at root.
func Draw(root string) error {
	dir := filepath.Join(root, Folder)
	r, err := Load(dir)
	if err != nil {
		return err
	}
	files, err := r.Files(dir)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Update does as Draw, and fills the pages of the repository.
func Update(root string) error {
	if err := Draw(root); err != nil {
		return err
	}
	r, err := Load(filepath.Join(root, Folder))
	if err != nil {
		return err
	}
	for _, page := range Pages {
		path := filepath.Join(root, page)
		old, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		filled, err := r.Fill(string(old), wayTo(page))
		if err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
		if filled != string(old) {
			if err := os.WriteFile(path, []byte(filled), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// wayTo is the way from a page to Folder.
func wayTo(page string) string {
	return strings.Repeat("../", strings.Count(page, "/")) + Folder
}

// Files are the tables and charts that stand beside File in its folder. Each chart names the sum of the file that it was made from, since
// another machine may draw it with other last digits.
func (r Results) Files(dir string) (map[string][]byte, error) {
	sum, err := Sum(dir)
	if err != nil {
		return nil, err
	}
	files, err := r.Charts()
	if err != nil {
		return nil, err
	}
	for name, chart := range files {
		files[name] = append(chart, "<!-- "+sum+" -->\n"...)
	}
	files["results.md"] = []byte("# Results\n\nMade by `go run -C bench ./cmd/report`: not to be edited.\n\n" + r.Where.String(r) + r.All())
	return files, nil
}

// Sum is that of File in a folder.
func Sum(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, File))
	return fmt.Sprintf("%s %x", File, sha256.Sum256(b)), err
}
