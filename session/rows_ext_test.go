package session_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// life is what a session came to: an adapter comes and goes, an instruction with a failed answer, a tool call and a good
// answer, a failed one, one after which the first is pruned, and a reset.
type life struct {
	startErr, loadErr, unloadErr, err, failedErr, resetErr, closeErr error
	res                                                              *session.Result
	prompts                                                          []string
	history                                                          []string
	backend                                                          stages.Backend
	log                                                              *observer.ObservedLogs
}

var errOffline = errors.New("the backend is down")

// live is a life whose first instruction is streamed, liveUnary one in which it is not.
func live(t *testing.T, opt session.Option) life {
	t.Helper()
	return lived(t, opt, func(s *session.Session, opts ...session.InstructOption) (*session.Result, error) {
		return streamed(t, s.Stream(t.Context(), "Write about the tide.", opts...)).result()
	})
}

func liveUnary(t *testing.T, opt session.Option) life {
	t.Helper()
	return lived(t, opt, func(s *session.Session, opts ...session.InstructOption) (*session.Result, error) {
		return s.Instruct(t.Context(), "Write about the tide.", opts...)
	})
}

type instructing func(s *session.Session, opts ...session.InstructOption) (*session.Result, error)

func lived(t *testing.T, opt session.Option, instruct instructing) (l life) {
	t.Helper()
	core, log := observer.New(zap.WarnLevel)
	l.log = log
	b := script(answer("too short"), call("tide", `{"day":"today"}`), answer("High water is at 06:40."), fails(errOffline), answer("Low water."))
	p := stages.NewPipeline(stages.PipelineConfig{Logger: zap.New(core)})
	s, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(&adaptingScript{b}), session.WithTools(tideTool()),
		session.WithPruning(session.KeepTurns(1)), session.WithUser("ada"), session.WithModel("script-2"), opt)
	if l.startErr = err; err != nil {
		return l
	}
	l.backend = s.Backend()
	l.loadErr = s.LoadAdapter(t.Context(), "sea", stages.MapOf(map[string]any{"rank": 8}))
	l.unloadErr = s.UnloadAdapter(t.Context(), "sea")
	l.res, l.err = instruct(s, session.Require(mentions("High water")))
	l.history = texts(s.History())
	for _, g := range b.requests() {
		m := g.Messages()
		l.prompts = append(l.prompts, m.At(m.Len()-1).Text)
	}
	if l.err == nil {
		_, l.failedErr = s.Instruct(t.Context(), "And again.")
		_, _ = s.Instruct(t.Context(), "And low water?")
	}
	l.resetErr = s.Reset(t.Context(), "new topic")
	l.closeErr = s.Close(context.WithoutCancel(t.Context()))
	return l
}

// adaptingScript is a script with adapters.
type adaptingScript struct{ *scripted }

func (*adaptingScript) LoadAdapter(context.Context, string, stages.Map[any]) error { return nil }
func (*adaptingScript) UnloadAdapter(context.Context, string) error                { return nil }

// outcome is what must be the same in a life in which nothing took effect.
func (l life) outcome() string {
	if l.res == nil {
		return fmt.Sprint(l.startErr, l.loadErr, l.unloadErr, l.err)
	}
	return fmt.Sprintf("%v %v %v %v %v %q %q %v %v %q %v", l.startErr, l.loadErr, l.unloadErr, l.err, errors.Is(l.failedErr, errOffline), l.res.Text(), l.prompts, l.resetErr,
		l.closeErr, l.history, l.res.Success)
}

// Behaviours 6, 34, 37: each row of the table fires for a plugin however it is written; what it may not write is put back
// and reported; a block has the effect that the table states. TestWritesTakeEffect has what it may write.
func TestRows(t *testing.T) {
	t.Parallel()
	for by, live := range map[string]living{"streamed": live, "unary": liveUnary} {
		control := live(t, nil)
		for _, h := range stages.HookPoints() {
			if by == "unary" && h.Chain == "stream" {
				continue
			}
			for _, way := range ways {
				t.Run(h.Name+" by "+way.name+" "+by, func(t *testing.T) {
					t.Parallel()
					t.Run("fires", func(t *testing.T) { rowFires(t, h, control, way.register, live) })
					t.Run("what is not writable", func(t *testing.T) { rowDiscards(t, h, control, way.register, live) })
					t.Run("a block", func(t *testing.T) { rowBlocks(t, h, control, way.register, live) })
				})
			}
		}
	}
}

type living = func(t *testing.T, opt session.Option) life

type registrar = func(tb testing.TB, hook string, do doing) session.Option

func rowFires(t *testing.T, h stages.HookPoint, control life, register registrar, live living) {
	t.Helper()
	var mu sync.Mutex
	var seen []stages.Meta
	l := live(t, register(t, h.Name, func(p any) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, p.(payload).Meta())
		return p, nil
	}))
	if len(seen) == 0 {
		t.Fatal("it did not fire")
	}
	for _, m := range seen {
		if m.UserID != "ada" || m.SessionID == "" || m.CorrelationID == "" {
			t.Errorf("meta %+v", m)
		}
	}
	if l.outcome() != control.outcome() {
		t.Errorf("looking changed something:\n%s\n%s", l.outcome(), control.outcome())
	}
}

// rowDiscards returns a payload of which everything that is not writable is empty.
func rowDiscards(t *testing.T, h stages.HookPoint, control life, register registrar, live living) {
	t.Helper()
	if h.Position != chain.KindBefore && h.Position != chain.KindAfter {
		return // nothing is taken back
	}
	var mu sync.Mutex
	want := map[string]bool{}
	l := live(t, register(t, h.Name, func(p any) (any, error) {
		_, hasResult := p.(interface{ HasResult() bool }) // without it all that is written goes with the result
		forged := reflect.New(reflect.TypeOf(p).Elem())
		mu.Lock()
		defer mu.Unlock()
		want["meta"] = true
		for _, f := range h.Carries {
			v, ok := fieldOf(p, f)
			switch {
			case (h.Position == chain.KindBefore || !hasResult) && slices.Contains(h.Writable, f):
				forged = forged.MethodByName("With" + camel(f)).Call([]reflect.Value{v})[0]
			case !ok:
				t.Errorf("the test does not know where the field %s is", f)
			case !v.IsZero() && !slices.Contains(h.Derived, f):
				want[f] = true
			}
		}
		return forged.Interface(), nil
	}))
	reported := map[string]bool{}
	for _, e := range l.log.FilterMessageSnippet("discarded changes").All() {
		for _, f := range e.ContextMap()["fields"].([]any) {
			reported[f.(string)] = true
		}
	}
	for f := range want {
		if !reported[f] {
			t.Errorf("%s was not reported; there were %v", f, reported)
		}
	}
	if l.outcome() != control.outcome() {
		t.Errorf("it took effect:\n%s\n%s", l.outcome(), control.outcome())
	}
}

// fieldOf reads a field of a payload by its name in the table.
func fieldOf(p any, field string) (reflect.Value, bool) {
	if g, ok := p.(*stages.Generation); ok {
		o := g.Output()
		if x, ok := map[string]any{
			"text": o.Text, "tool_calls": o.ToolCalls, "finish_reason": o.FinishReason, "usage": o.Usage, "raw": o.Raw,
			"answering_model": o.Model,
		}[field]; ok {
			return reflect.ValueOf(x), true
		}
	}
	m := reflect.ValueOf(p).MethodByName(camel(field))
	if !m.IsValid() || m.Type().NumIn() > 0 {
		return reflect.Value{}, false
	}
	return m.Call(nil)[0], true
}

func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(name, "_") {
		switch word {
		case "error":
			b.WriteString("Err")
		case "id", "http":
			b.WriteString(strings.ToUpper(word))
		default:
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

func rowBlocks(t *testing.T, h stages.HookPoint, control life, register registrar, live living) {
	t.Helper()
	l := live(t, register(t, h.Name, func(p any) (any, error) { return blocking(context.Background(), p) }))
	switch h.Name {
	case "session_pre_init", "session_post_init":
		wantBlock(t, l.startErr, "session")
	case "adapter_pre_load", "adapter_post_load":
		wantBlock(t, l.loadErr, "adapter_load")
	case "adapter_pre_unload", "adapter_post_unload":
		wantBlock(t, l.unloadErr, "adapter_unload")
	case "session_reset":
		wantBlock(t, l.resetErr, "reset")
	case "sampling_iteration", "sampling_repair":
		if l.err != nil || l.res.Success || !strings.Contains(l.res.FailureReason, "not here") || l.res.Attempts.Len() != 1 {
			t.Errorf("%+v, %v", l.res, l.err)
		}
	case "tool_pre_invoke", "tool_post_invoke":
		if l.err != nil || !slices.Contains(l.prompts, "error: it was refused: not here") {
			t.Errorf("the model was told %q, %v", l.prompts, l.err)
		}
	default:
		if h.NeverBlocks || h.Position == chain.KindOnError || h.Position == chain.KindObserve {
			if l.outcome() != control.outcome() {
				t.Errorf("it took effect:\n%s\n%s", l.outcome(), control.outcome())
			}
			return
		}
		wantBlock(t, l.err, h.Chain)
		if len(l.history) != 0 {
			t.Errorf("history %q", l.history)
		}
	}
}
