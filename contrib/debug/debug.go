package debug

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/mattn/go-isatty"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// DefaultPreview is how many runes of a text are shown at most, unless Settings say otherwise.
const DefaultPreview = 120

// Settings of the trace. The zero value shows no contents.
type Settings struct {
	// Color is "auto" (the default: if the writer is a terminal and NO_COLOR is not set), "always" or "never".
	Color string `yaml:"color"`
	// Preview is how many runes of a text are shown at most; 0 is DefaultPreview.
	Preview int `yaml:"preview"`
	// Writer gets whole lines, one Write each and one at a time; nil is os.Stderr.
	Writer io.Writer `yaml:"-"`
	// Redact makes a text fit to be shown. It gets all of it, before it is shortened. Without one, texts are not shown, only
	// their lengths; the same where it panics. It may be called concurrently.
	Redact func(text string) string `yaml:"-"`
}

// Plugin is the trace. Safe for concurrent use.
type Plugin struct {
	color    bool
	preview  int
	redact   func(string) string
	out      output
	requests atomic.Int64
}

// New makes a trace. An error names every setting that is wrong.
func New(s Settings) (*Plugin, error) {
	var errs []error
	p := &Plugin{preview: s.Preview, redact: s.Redact, out: output{w: s.Writer}}
	if p.out.w == nil {
		p.out.w = os.Stderr
	}
	switch s.Color {
	case "", "auto":
		p.color = wantsColor(p.out.w)
	case "always":
		p.color = true
	case "never":
	default:
		errs = append(errs, fmt.Errorf("debug: color is %q, it must be auto, always or never", s.Color))
	}
	switch {
	case p.preview < 0 || p.preview > 1<<16:
		errs = append(errs, fmt.Errorf("debug: preview is %d, it must be from 1 to %d, or 0 for %d", p.preview, 1<<16, DefaultPreview))
	case p.preview == 0:
		p.preview = DefaultPreview
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// wantsColor says whether w is a terminal that shows colors to somebody who wants them; see https://no-color.org.
func wantsColor(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
}

// Name is the default name of the plugin.
func (p *Plugin) Name() string { return "debug" }

// HookOptions let the hooks see payloads as all others have left them, and change nothing.
func (p *Plugin) HookOptions(hook string) []chain.Option {
	if strings.HasPrefix(hook, "observe_") {
		return []chain.Option{chain.Timed()}
	}
	return []chain.Option{chain.InMode(chain.Audit), stages.AcceptsChunks()}
}

// Close waits until all lines are written, or ctx ends. Lines may still be added; calls that are running do.
func (p *Plugin) Close(ctx context.Context) error { return p.out.drain(ctx) }

// Lost is the number of lines that were not written: the writer did not keep up, or failed.
func (p *Plugin) Lost() int64 { return p.out.lost.Load() }
