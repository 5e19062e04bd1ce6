package debug_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/internal/plugintest"
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
	return plugintest.Make(t, debug.New, s)
}

// started is a session with the plugin; it is closed by the returned function, after which all lines are written.
func started(t *testing.T, p *debug.Plugin, b session.Backend, opts ...session.Option) (s *session.Session, closed func()) {
	t.Helper()
	s = plugintest.Start(t, b, append([]session.Option{session.WithPlugins(p)}, opts...)...)
	return s, func() {
		t.Helper()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// script gives its answers one after the other: a text, a tool call or an error.
func script(answers ...any) *plugintest.Model {
	m := &plugintest.Model{Is: stages.Backend{Name: "scripted", Model: "script-1", Capabilities: stages.Capabilities{Tools: true}}}
	for _, a := range answers {
		used := stages.Usage{InputTokens: 10, OutputTokens: 3}
		switch a := a.(type) {
		case string:
			m.Turns = append(m.Turns, plugintest.Answer(stages.Output{Text: a, Usage: used}))
		case stages.ToolCall:
			m.Turns = append(m.Turns, plugintest.Answer(stages.Output{FinishReason: stages.FinishToolCalls, ToolCalls: stages.ListOf(a), Usage: used}))
		case error:
			m.Turns = append(m.Turns, plugintest.Fails(a))
		}
	}
	return m
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
