package plugintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("down")

func TestModel(t *testing.T) {
	half := func(context.Context, *stages.Generation) (stages.Output, error) {
		return stages.Output{Text: "high water"}, errDown
	}
	third := func(_ context.Context, piece int) error {
		if piece == 2 {
			return errDown
		}
		return nil
	}
	for _, tc := range []struct {
		name   string
		m      *Model
		pieces []string
		err    error
	}{
		{"as it is", &Model{}, []string{"high ", "water ", "at ", "noon"}, nil},
		{"cut otherwise", &Model{Pieces: func(text string) []string { return []string{text[:7], text[7:]} }}, []string{"high wa", "ter at noon"}, nil},
		{"fails", &Model{Turns: []Turn{Fails(errDown)}}, nil, errDown},
		{"fails after a part", &Model{Turns: []Turn{half}}, []string{"high ", "water"}, errDown},
		{"broken off", &Model{Before: third}, []string{"high ", "water "}, errDown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := Start(t, tc.m)
			pieces, _, err := Read(s.Stream(t.Context(), "When?"))
			if !slices.Equal(pieces, tc.pieces) || !errors.Is(err, tc.err) {
				t.Errorf("streamed: %q, %v", pieces, err)
			}
			if _, err := Ask(t, s, "When?", false); tc.m.Before == nil && !errors.Is(err, tc.err) {
				t.Errorf("at once: %v", err)
			}
			if n := tc.m.Calls(); n != 2 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func TestTurns(t *testing.T) {
	s := Start(t, &Model{Turns: []Turn{Says("ebb"), Fails(errDown), Says("flow")}})
	for i, want := range []string{"ebb", "", "flow", "flow"} {
		if text, err := Ask(t, s, "When?", false); text != want || (err != nil) != (i == 1) {
			t.Errorf("answer %d: %q, %v", i, text, err)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		s := Start(t, &Model{}, session.WithPlugins(chain.After("guard", func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("no", chain.Code("odd"))
		})))
		if _, err := Ask(t, s, "When?", streamed); Verdict(err) != "odd" {
			t.Error(err)
		}
	}
	if got := Verdict(nil) + Verdict(errDown); got != "error: down" {
		t.Error(got)
	}
}

// failures takes down what a test would report.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }

type settings struct{ Size int }

type plugin struct{}

func (plugin) ObserveGeneration(context.Context, chain.Outcome[*stages.Generation]) {}

func create(s settings) (*plugin, error) {
	if s.Size < 1 {
		return nil, fmt.Errorf("size is %d", s.Size)
	}
	return &plugin{}, nil
}

// The checks let through what is in order, and nothing else.
func TestChecks(t *testing.T) {
	kinds := Kind("box", create)
	for _, tc := range []struct {
		err  error
		said []string
		want int // failures
	}{
		{errDown, []string{"down", "do"}, 0},
		{errDown, []string{"up", "down", "sideways"}, 2},
		{nil, []string{"down"}, 1},
	} {
		f := &failures{TB: t}
		if Refused(f, tc.err, tc.said...); f.n != tc.want {
			t.Errorf("%v, %q: %d failures, want %d", tc.err, tc.said, f.n, tc.want)
		}
	}
	for settings, tc := range map[string]struct {
		said string
		want int
	}{
		"":           {"size is 0", 0},
		"{size: -1}": {"size is -1", 0},
		"{size: -2}": {"sise", 1},
		"{sise: 1}":  {"sise", 0},
		"{size: 1}":  {"", 1},
	} {
		f := &failures{TB: t}
		if Faulty(f, kinds, map[string]string{settings: tc.said}); f.n != tc.want {
			t.Errorf("%s, %q: %d failures, want %d", settings, tc.said, f.n, tc.want)
		}
	}
}

// A hook that may read the whole answer makes streams wait.
func TestUnbuffered(t *testing.T) {
	f := &failures{TB: t}
	Unbuffered(f, chain.Observe("o", func(context.Context, chain.Outcome[*stages.Generation]) {}))
	if f.n != 0 {
		t.Error("an observer buffers")
	}
	Unbuffered(f, chain.After("a", stages.Unchanged[*stages.Generation]))
	if f.n != 1 {
		t.Error("a hook that sees the whole answer buffers nothing")
	}
}
