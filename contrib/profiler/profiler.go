package profiler

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/maillon-go/maillon/chain"
)

// Defaults of Settings.
const (
	DefaultSampleEvery = 1024
	DefaultMaxKeys     = 256
	DefaultSessions    = 16
)

// Settings of a profiler. The zero value is a good start.
type Settings struct {
	// SampleEvery is the number of calls of a chain of which one, at random, has its links timed; 1 times all, 0 is
	// DefaultSampleEvery. The fewer, the less the others pay. It has no effect unless the Plugin is the tracer.
	SampleEvery int `yaml:"sample_every"`
	// MaxKeys bounds the memory: so many slots in all their stages, so many links, and so many frames in the chart of each
	// session are told apart, and what comes later is added up as "(other)"; 0 is DefaultMaxKeys. A key takes about 37 KB,
	// twice that where there are streams.
	MaxKeys int `yaml:"max_keys"`
	// Sessions is of how many sessions there are charts; 0 is DefaultSessions. A new session takes the place of one that was
	// closed; while all are open, it has no chart.
	Sessions int `yaml:"sessions"`
}

// Plugin is the profiler: a plugin for a stages.Pipeline, and a chain.Tracer. Safe for concurrent use.
type Plugin struct {
	every    int
	most     uint64 // a random number up to it is a sample
	maxKeys  int
	sessions int

	mu    sync.RWMutex // held for reading while something is added, so that a Snapshot is of one moment
	rows  map[key]*row
	links map[linkKey]*linkRow
	trees map[string]*tree // by session
	age   []string         // the keys of trees, oldest first
	lost  int64            // stages of sessions without a chart
}

// New makes a profiler. An error names every setting that is out of range.
func New(s Settings) (*Plugin, error) {
	var errs []error
	number := func(name string, n *int, byDefault, most int) {
		switch {
		case *n < 0 || *n > most:
			errs = append(errs, fmt.Errorf("profiler: %s is %d, it must be from 1 to %d, or 0 for %d", name, *n, most, byDefault))
		case *n == 0:
			*n = byDefault
		}
	}
	number("sample_every", &s.SampleEvery, DefaultSampleEvery, 1<<30)
	number("max_keys", &s.MaxKeys, DefaultMaxKeys, 1<<16)
	number("sessions", &s.Sessions, DefaultSessions, 1<<16)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p := &Plugin{every: s.SampleEvery, most: math.MaxUint64 / uint64(s.SampleEvery), maxKeys: s.MaxKeys, sessions: s.Sessions}
	p.Reset()
	return p, nil
}

// Name is the default name of the plugin.
func (p *Plugin) Name() string { return "slot_profiler" }

// HookOptions let the observers see how long a call took.
func (p *Plugin) HookOptions(string) []chain.Option { return []chain.Option{chain.Timed()} }

// Reset forgets everything. Calls that are running are counted when they end.
func (p *Plugin) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows, p.links, p.trees = map[key]*row{}, map[linkKey]*linkRow{}, map[string]*tree{}
	p.age, p.lost = nil, 0
}
