package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/maillon-go/maillon/bench/bound"
)

// Results are what a run of the report measured, as they stand in File.
type Results struct {
	Where    Where             `json:"where"`
	Rounds   int               `json:"rounds"`
	Sample   string            `json:"sample"`  // how long one sample takes
	Modules  map[string]string `json:"modules"` // the versions of the peers
	Cells    []Cell            `json:"cells"`
	Bounds   []bound.Result    `json:"bounds"`
	Profiles []Profile         `json:"profiles"`
	Soak     *Soak             `json:"-"` // it has a file of its own
}

// Where is where, when and of what the figures were taken.
type Where struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
	Date   string `json:"date"`
}

// Cell is what one cell of a scenario came to, per call: the median of the rounds, with the bounds of its confidence interval.
type Cell struct {
	ID         string  `json:"id"`
	Scenario   string  `json:"scenario"`
	Peer       string  `json:"peer"`
	Grade      string  `json:"grade,omitempty"`
	Links      int     `json:"links"`
	NS         float64 `json:"ns"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	Calls      int     `json:"calls"` // in a sample
	Allocs     float64 `json:"allocs"`
	Bytes      float64 `json:"bytes"`
}

// Profile is where the time of one cell goes.
type Profile struct {
	ID      string `json:"id"`
	Samples int64  `json:"samples"`
	Rows    []Row  `json:"rows"`     // by function
	Parts   []Row  `json:"packages"` // by package
}

// Row is a function or a package with its own part of the samples, that of what it calls not included.
type Row struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of 1
}

// File is the name of the results in their folder.
const File = "results.json"

// Load reads the results, and those of the last soak run, from a folder.
func Load(dir string) (Results, error) {
	var r Results
	if err := load(filepath.Join(dir, File), &r); err != nil {
		return r, err
	}
	r.Soak = new(Soak)
	return r, load(filepath.Join(dir, SoakFile), r.Soak)
}

func load(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Save writes indented JSON.
func Save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// find gives the cell of an id.
func (r Results) find(id string) (Cell, bool) {
	for _, c := range r.Cells {
		if c.ID == id {
			return c, true
		}
	}
	return Cell{}, false
}

// of gives the cells of a scenario.
func (r Results) of(scenario string) (out []Cell) {
	for _, c := range r.Cells {
		if c.Scenario == scenario {
			out = append(out, c)
		}
	}
	return out
}
