package debug_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer keeps each Write apart. Safe for concurrent use.
type buffer struct {
	mu     sync.Mutex
	writes []string
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes = append(b.writes, string(p))
	return len(p), nil
}

var id = regexp.MustCompile(`(?m)[A-Z2-7]{26}|^[A-Z2-7]{4} `)

// lines are what was written, with SESS for the ids, which are random.
func (b *buffer) lines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return id.ReplaceAllStringFunc(strings.Join(b.writes, ""), func(s string) string {
		if strings.HasSuffix(s, " ") {
			return "SESS "
		}
		return "SESSION"
	})
}

func trace(t *testing.T, s debug.Settings) *debug.Plugin {
	t.Helper()
	p, err := debug.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// started is a session with the plugin; it is closed by the returned function, after which all lines are written.
func started(t *testing.T, p *debug.Plugin, b session.Backend, opts ...session.Option) (s *session.Session, closed func()) {
	t.Helper()
	pl := stages.NewPipeline(stages.PipelineConfig{})
	s, err := session.Start(t.Context(), append([]session.Option{
		session.WithPipeline(pl), session.WithBackend(b), session.WithPlugins(p),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		t.Helper()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// backend gives its answers one after the other.
type backend struct {
	mu      sync.Mutex
	answers []any // a text, a tool call or an error
}

func (b *backend) Describe() stages.Backend {
	return stages.Backend{Name: "scripted", Model: "script-1", Capabilities: stages.Capabilities{Tools: true}}
}

func (b *backend) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.answers) == 0 {
		return nil, errors.New("no more answers")
	}
	a := b.answers[0]
	b.answers = b.answers[1:]
	out := stages.Output{FinishReason: stages.FinishStop, Usage: stages.Usage{InputTokens: 10, OutputTokens: 3}}
	switch a := a.(type) {
	case string:
		out.Text = a
	case stages.ToolCall:
		out.FinishReason, out.ToolCalls = stages.FinishToolCalls, stages.ListOf(a)
	case error:
		return nil, a
	}
	return g.Done(stages.GenerationResult{Source: stages.SourceBackend, Output: out}), nil
}

func (b *backend) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	out, err := b.Generate(ctx, g)
	if err != nil {
		return out, err
	}
	for word := range strings.SplitAfterSeq(out.Output().Text, " ") {
		if err := emit(word); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func mentions(what string) stages.Requirement {
	return session.Check("Mention "+what, func(text string) (bool, string) { return strings.Contains(text, what), "no " + what })
}

func has(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

func hasNot(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, w := range unwanted {
		if strings.Contains(text, w) {
			t.Errorf("%q is in\n%s", w, bytes.ToValidUTF8([]byte(text), nil))
		}
	}
}
