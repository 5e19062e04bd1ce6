package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestLog(t *testing.T) {
	for _, tc := range []struct {
		name   string
		link   Link[*payload]
		policy Policy[*payload]
		calls  int
		text   bool   // LogErrorText
		want   string // the message; "" when nothing is to be said
		fields map[string]string
	}{
		{"nothing happens", Before("x", add("!")), Policy[*payload]{}, 3, false, "", nil},
		{"a block reaches the caller, who may log it", Before("x", block("no")), Policy[*payload]{}, 1, false, "", nil},
		{"so does a failure", Before("x", fail(errOwn)), Policy[*payload]{}, 1, false, "", nil},
		{
			"behaviour 14: would block", Before("x", fail(Block("too long", Code("length"), InSeverity(SeverityWarning))), InMode(Transform)),
			Policy[*payload]{},
			1,
			false,
			"would block",
			map[string]string{"code": "length", "reason": "too long", "severity": "warning", "mode": "transform"},
		},
		{"behaviour 17: background violation", Before("x", block("no"), InMode(FireAndForget)), Policy[*payload]{}, 1, false, "would block", map[string]string{"mode": "fire_and_forget"}},
		{"behaviour 17b: shadow would block", Around("x", answer(block("no")), InMode(Audit)), Policy[*payload]{}, 1, false, "would block", map[string]string{"mode": "audit"}},
		{"behaviour 6: never blocks", Before("x", block("no")), Policy[*payload]{NeverBlocks: In}, 1, false, "would block", map[string]string{"mode": "sequential"}},
		{
			"ignored failure", Before("x", fail(errOwn), OnFailure(Ignore)),
			Policy[*payload]{},
			1,
			false,
			"link failed, the call goes on",
			map[string]string{"error": "*errors.errorString", "policy": "ignore"},
		},
		{
			"its text, if wanted", Before("x", fail(errOwn), OnFailure(Ignore)),
			Policy[*payload]{},
			1,
			true,
			"link failed, the call goes on",
			map[string]string{"error": errOwn.Error()},
		},
		{
			"a hook's error quotes the payload",
			Before("x", func(_ context.Context, p *payload) (*payload, error) {
				return p, fmt.Errorf("%s: %w", p.text, io.ErrUnexpectedEOF)
			}, OnFailure(Ignore)),
			Policy[*payload]{},
			1,
			false,
			"link failed, the call goes on",
			map[string]string{"error": "*fmt.wrapError > unexpected EOF"},
		},
		{
			"a hook's panic quotes the payload",
			Before("x", func(_ context.Context, p *payload) (*payload, error) { panic(p.text) }, OnFailure(Ignore)),
			Policy[*payload]{},
			1,
			false,
			"link failed, the call goes on",
			map[string]string{"error": "*chain.PanicError", "stack": "log_test.go"},
		},
		{
			"a shadow's panic quotes the payload",
			Around("x", answer(func(_ context.Context, p *payload) (*payload, error) { panic(errors.New(p.text)) }), InMode(Audit)),
			Policy[*payload]{},
			1,
			false,
			"link failed, the call goes on",
			map[string]string{"error": "*chain.PanicError > *errors.errorString"},
		},
		{
			"an observer's panic quotes the payload",
			Observe("x", func(_ context.Context, o Outcome[*payload]) { panic(o.Payload.text) }),
			Policy[*payload]{},
			1,
			false,
			"link failed, the call goes on",
			map[string]string{"error": "*chain.PanicError"},
		},
		{"switched off", Before("x", fail(errOwn), OnFailure(Disable)), Policy[*payload]{}, 2, false, "link failed, the call goes on", map[string]string{"policy": "disable"}},
		{
			"behaviour 20: ignored panic, with its stack", Around("x", answer(panics), OnFailure(Ignore)),
			Policy[*payload]{},
			1,
			false,
			"link failed, the call goes on",
			map[string]string{"error": "*chain.PanicError", "stack": "testkit_test.go"},
		},
		{
			"behaviour 20: observer", Observe("x", func(context.Context, Outcome[*payload]) { panic("o") }),
			Policy[*payload]{},
			1,
			false,
			"link failed, the call goes on",
			map[string]string{"error": "*chain.PanicError", "stack": "log_test.go"},
		},
		{
			"behaviour 34: discarded changes", Before("x", add("!")),
			Policy[*payload]{Rewrite: func(_ Position, old, _ *payload) (*payload, []string) { return old, []string{"text"} }},
			1,
			false,
			"discarded changes of fields that are not writable here", nil,
		},
		{"behaviour 24: breaker", Before("x", fail(errOwn), TripAfter(1)), Policy[*payload]{}, 1, false, "breaker changed state", map[string]string{"from": "closed", "to": "open"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			c := newChainWith(t, Config[*payload]{Logger: zap.New(core), LogErrorText: tc.text, Policy: tc.policy}, tc.link)
			h := c.Then(nop)
			for range tc.calls {
				_, _ = h(bg, &payload{text: "secret"})
			}
			must(t, c.Drain(bg))
			for _, e := range logs.All() {
				for k, v := range texts(e) {
					if strings.Contains(v, "secret") {
						t.Errorf("the payload is in the log: %s=%s", k, v)
					}
				}
			}
			if tc.want == "" {
				eq(t, "entries", logs.Len(), 0)
				return
			}
			if logs.Len() != 1 {
				t.Fatalf("%d entries, want 1: %v", logs.Len(), logs.All())
			}
			e := logs.All()[0]
			eq(t, "message", e.Message, tc.want)
			eq(t, "level", e.Level, zapcore.WarnLevel)
			got := texts(e)
			eq(t, "chain", got["chain"], "t")
			eq(t, "link", got["link"], "x")
			for k, want := range tc.fields {
				if !strings.Contains(got[k], want) {
					t.Errorf("%s: %q, want %q", k, got[k], want)
				}
			}
		})
	}
}

func texts(e observer.LoggedEntry) map[string]string {
	m := map[string]string{"message": e.Message}
	for k, v := range e.ContextMap() {
		if s, ok := v.(string); ok {
			m[k] = s
		}
	}
	return m
}

// panickyCore is a log that panics.
type panickyCore struct{ zapcore.LevelEnabler }

func (c panickyCore) With([]zapcore.Field) zapcore.Core { return c }
func (c panickyCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(e, c)
}
func (panickyCore) Write(zapcore.Entry, []zapcore.Field) error { panic("log") }
func (panickyCore) Sync() error                                { return nil }

func TestLogThatPanics(t *testing.T) {
	c := newChainWith(t, Config[*payload]{Logger: zap.New(panickyCore{zap.DebugLevel}), Tracer: &tracer{panics: "LinkStart"}},
		Before("x", fail(errOwn), OnFailure(Ignore), TripAfter(2)), Before("w", block("no"), InMode(Audit)), Around("a", answer(panics), OnFailure(Ignore)))
	h := c.Then(nop)
	for range 4 {
		_, err := h(bg, &payload{})
		must(t, err)
	}
}
