package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// secret is planted wherever a text can be. digits is the number that it is, as numbers are in arguments of tools.
const (
	secret = "s3cr3t-4111222233334444"
	digits = "4111222233334444"
)

var replacer = strings.NewReplacer(secret, "[x]", digits, "[x]")

func redact(s string) string { return replacer.Replace(s) }

// leaky is a backend that asks for a tool first, if there are any, and whose answers are full of secrets.
type leaky struct{ err error }

func (l leaky) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	if l.err != nil {
		return nil, l.err
	}
	out := stages.Output{
		Text: "answer " + secret, Model: "small-1", Usage: stages.Usage{InputTokens: 7, OutputTokens: 3},
		Raw: stages.JSON(`{"tokens":["s3cr3t-","4111222233334444"]}`),
	}
	last, _ := g.History().Last()
	if g.Tools().Len() > 0 && last.Role != stages.RoleTool {
		out.FinishReason = stages.FinishToolCalls
		out.ToolCalls = stages.ListOf(
			stages.ToolCall{ID: "1", Name: "look", Arguments: stages.JSON(`{"` + secret + `":"` + secret + `","card":` + digits + `}`)},
			stages.ToolCall{ID: "2", Name: secret, Arguments: stages.JSON(`{not JSON ` + secret)})
	}
	return g.Done(stages.GenerationResult{Output: out, Source: stages.SourceBackend}), nil
}

func look() stages.Callable {
	return stages.Callable{Name: "look", Description: "Looks at " + secret, Call: func(_ context.Context, args json.RawMessage) (any, error) {
		return nil, errors.New("cannot look at " + string(args))
	}}
}

// everything runs through all stages that a session has, some of them blocked, failed, cached and streamed.
func everything(t *testing.T, plugins ...any) {
	t.Helper()
	ctx := t.Context()
	start := func(b session.Backend, more ...any) *session.Session {
		var opts []session.Option
		if len(more) > 0 {
			if o, ok := more[0].(session.Option); ok {
				opts, more = append(opts, o), more[1:]
			}
		}
		s, err := session.Start(ctx, append(opts, session.WithBackend(b), session.WithUser("ada "+secret), session.WithLabel("tier", "gold"),
			session.WithLabel("note", secret), session.WithMetadata("tenant", map[string]any{"name": secret, "card": 4111222233334444}),
			session.WithPlugins(append(slices.Clone(more), plugins...)...))...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	never := session.Require(session.Check("never "+secret, func(string) (bool, string) { return false, "because " + secret }))

	s := start(leaky{})
	_, _ = s.Instruct(ctx, "do "+secret, never, session.Using(session.TemplateRepair{LoopBudget: 2}))
	_ = s.Stream(ctx, "stream "+secret).Close()
	for _, err := range s.Stream(ctx, "stream "+secret).Text() {
		if err != nil {
			t.Error(err)
		}
	}
	_ = s.Reset(ctx, secret)
	_ = s.Close(ctx)

	s = start(leaky{}, session.WithTools(look()))
	_, _ = s.Instruct(ctx, "use "+secret)
	_ = s.Close(ctx)

	s = start(leaky{errors.New("backend said " + secret)})
	_, _ = s.Instruct(ctx, "fail "+secret)
	_ = s.Close(ctx)

	s = start(leaky{}, chain.Before("gate", func(context.Context, *stages.Generation) (*stages.Generation, error) {
		return nil, chain.Block("no "+secret, chain.Code("odd_text"), chain.Details(map[string]any{secret: secret, "f": func() {}}))
	}))
	_, _ = s.Instruct(ctx, "block "+secret)
	_ = s.Close(ctx)

	s = start(leaky{}, chain.Around("memory", func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
		return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "kept " + secret}, Source: stages.SourceCache}), nil
		}
	}))
	_, _ = s.Instruct(ctx, "again "+secret)
	_ = s.Close(ctx)

	s = start(leaky{}, chain.Before("broken", func(context.Context, *stages.Chunk) (*stages.Chunk, error) { panic(secret) }))
	_, _ = s.Instruct(ctx, "panic "+secret)
	_ = s.Close(ctx)
}

func find(t *testing.T, records []*audit.Record, is func(*audit.Record) bool) *audit.Record {
	t.Helper()
	i := slices.IndexFunc(records, is)
	if i < 0 {
		t.Fatal("there is no such record")
	}
	return records[i]
}

func TestSessionIsRecorded(t *testing.T) {
	m := &memory{}
	everything(t, newPlugin(t, audit.Settings{Sink: m, Keep: []string{"labels.tier"}}))
	seen := map[string]int{}
	for _, r := range m.records {
		seen[r.Chain]++
		if r.Hook == "" || r.Time.IsZero() || r.SessionID == "" || r.CorrelationID == "" {
			t.Errorf("%+v", r)
		}
		if r.Labels["tier"] != "gold" || len(r.Labels) != 1 || r.UserID != "" || r.Metadata != nil || r.Contents != nil {
			t.Errorf("more or less than what is kept: %+v", r)
		}
	}
	want := []string{
		"chunk", "cleanup", "component", "create", "fault", "generation", "history_change", "iteration", "repair", "reset",
		"sampling", "session", "stream", "tool", "validation",
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("stages %v\nwant %v", got, want)
	}
	r := find(t, m.records, func(r *audit.Record) bool { return r.Code == "odd_text" && r.Chain == "generation" })
	if r.Verdict != chain.Blocked || r.Link != "gate" || r.Hook != "generation_pre_call" || r.ErrorKind != "violation" || r.Answered {
		t.Errorf("blocked: %+v", r)
	}
	r = find(t, m.records, func(r *audit.Record) bool { return r.Source == "cache" })
	if r.Verdict != chain.Allowed || r.Link != "memory" || r.Hook != "generation_post_call" || r.Answered {
		t.Errorf("cache hit: %+v", r)
	}
	r = find(t, m.records, func(r *audit.Record) bool { return r.Hook == "generation_error" && r.Link == "" })
	if r.Verdict != chain.Failed || r.ErrorKind != "error" || !r.Answered {
		t.Errorf("failed: %+v", r)
	}
	r = find(t, m.records, func(r *audit.Record) bool { return r.Source == "backend" })
	if r.Usage == nil || r.Usage.Total() != 10 || r.AnsweringModel != "small-1" || r.Duration <= 0 || r.ComponentKind != "Instruction" {
		t.Errorf("answered: %+v", r)
	}
	r = find(t, m.records, func(r *audit.Record) bool { return r.Tool == "look" })
	if r.Success == nil || *r.Success || r.Hook != "tool_post_invoke" {
		t.Errorf("tool: %+v", r)
	}
	r = find(t, m.records, func(r *audit.Record) bool { return r.Hook == "component_post_error" })
	if r.FaultKind == "" || r.Verdict != chain.Failed {
		t.Errorf("component: %+v", r)
	}
	r = find(t, m.records, func(r *audit.Record) bool { return r.Link == "broken" && r.Chain == "chunk" })
	if r.Verdict != chain.Failed || r.ErrorKind != "panic" {
		t.Errorf("a link that panicked: %+v", r)
	}
}

// Whatever sink it is, no secret is in it: neither by default nor, redacted, with contents, and no link has redacted anything.
func TestNoSecretIsRecorded(t *testing.T) {
	for _, contents := range []bool{false, true} {
		s := audit.Settings{}
		if contents {
			s.Redact = redact
		}
		var out, log, logs bytes.Buffer
		core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&log), zap.ErrorLevel)
		plugins := []any{}
		for name, sink := range map[string]audit.Sink{"writer": audit.ToWriter(&out), "zap": audit.ToZap(zap.New(core))} {
			s.Sink = sink
			plugins = append(plugins, stages.With(newPlugin(t, s)).Named(name))
		}
		s.Sink, s.Path, s.Logger = nil, tempPath(t), zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(&logs), zap.DebugLevel))
		s.Key = secretOf(t, "0123456789abcdef")
		plugins = append(plugins, newPlugin(t, s))
		everything(t, plugins...)
		file, err := os.ReadFile(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		verified(t, s.Path, audit.VerifyOptions{Key: []byte("0123456789abcdef")}, strings.Count(out.String(), "\n"))
		for name, text := range map[string]string{"writer": out.String(), "zap": log.String(), "file": string(file)} {
			if strings.Contains(text, secret) || strings.Contains(text, digits) {
				i := strings.Index(text, digits)
				t.Errorf("contents %v: %s: ...%s...", contents, name, text[max(0, i-300):i+30])
			}
			if n := strings.Count(text, "[x]"); contents != (n > 50) {
				t.Errorf("contents %v: %s has %d redacted texts", contents, name, n)
			}
		}
		if logs.Len() > 0 {
			t.Errorf("logs: %s", logs.String())
		}
	}
}

func TestContents(t *testing.T) {
	m := &memory{}
	everything(t, newPlugin(t, audit.Settings{Sink: m, Redact: redact}))
	for _, r := range m.records {
		if (r.Chain == "chunk") != (r.NoContents == "chunk") || (r.NoContents == "") != json.Valid(r.Contents) {
			t.Errorf("%s: %q %s", r.Hook, r.NoContents, r.Contents)
		}
	}
	r := find(t, m.records, func(r *audit.Record) bool { return r.Code == "odd_text" && r.Chain == "generation" })
	for _, want := range []string{`"block [x]"`, `"reason":"no [x]"`, `"user_id":"ada [x]"`, `"note":"[x]"`} {
		if !strings.Contains(string(r.Contents), want) {
			t.Errorf("no %s in %s", want, r.Contents)
		}
	}
	r = find(t, m.records, func(r *audit.Record) bool { return r.Tool == "look" })
	if want := `"arguments":{"[x]":"[x]","card":"[x]"}`; !strings.Contains(string(r.Contents), want) {
		t.Errorf("no %s in %s", want, r.Contents)
	}
}

// The payload is the one that all links have left.
func TestContentsAreFinal(t *testing.T) {
	m := &memory{}
	s, err := session.Start(t.Context(), session.WithBackend(leaky{}), session.WithPlugins(newPlugin(t, audit.Settings{Sink: m, Redact: redact}),
		chain.After("polite", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithText("please"), nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Instruct(t.Context(), "do"); err != nil {
		t.Fatal(err)
	}
	_ = s.Close(t.Context())
	r := find(t, m.records, func(r *audit.Record) bool { return r.Chain == "generation" })
	if !strings.Contains(string(r.Contents), `"text":"please"`) || strings.Contains(string(r.Contents), "answer [x]") {
		t.Errorf("%s", r.Contents)
	}
}

func TestContentsThatCannotBe(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		s          audit.Settings
	}{
		{name: "panic", want: "redactor_failed", s: audit.Settings{Redact: func(string) string { panic(secret) }}},
		{name: "large", want: "too_large", s: audit.Settings{Redact: redact, MaxContents: 10}},
		{name: "none", want: "", s: audit.Settings{Redact: redact, Contents: audit.ContentsNone}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &memory{}
			tc.s.Sink = m
			call(t.Context(), newPlugin(t, tc.s), "a")
			if r := m.records[0]; r.Contents != nil || r.NoContents != tc.want {
				t.Errorf("%q %s", r.NoContents, r.Contents)
			}
		})
	}
}

func TestSkipAllowedAndKeep(t *testing.T) {
	m := &memory{}
	everything(t, newPlugin(t, audit.Settings{
		Sink: m, SkipAllowed: []string{"chunk", "generation"},
		Keep: []string{"user_id", "labels.none", "metadata.tenant"},
	}))
	for _, r := range m.records {
		if (r.Chain == "chunk" || r.Chain == "generation") && r.Verdict == chain.Allowed {
			t.Errorf("%+v", r)
		}
		if r.UserID != "ada "+secret || r.Labels != nil || !strings.Contains(string(r.Metadata["tenant"]), digits) {
			t.Errorf("kept: %+v", r)
		}
	}
	find(t, m.records, func(r *audit.Record) bool { return r.Chain == "chunk" })
	find(t, m.records, func(r *audit.Record) bool { return r.Chain == "generation" && r.Verdict == chain.Blocked })
}

// Sessions may share a plugin; in the background, by the mode, nothing is lost either.
func TestSessionsConcurrently(t *testing.T) {
	for _, mode := range []chain.Mode{chain.Sequential, chain.FireAndForget} {
		t.Run(mode.String(), func(t *testing.T) {
			m := &memory{}
			p := stages.NewPipeline(stages.PipelineConfig{})
			entry := any(newPlugin(t, audit.Settings{Sink: m}))
			if mode == chain.FireAndForget {
				entry = stages.With(entry).Fitting(chain.InMode(mode))
			}
			if _, err := p.Register(t.Context(), entry); err != nil {
				t.Fatal(err)
			}
			call := p.Generation.Then(leaky{}.Generate)
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					_, _ = call(ctx, stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}))
					cancel()
				})
			}
			wg.Wait()
			if err := p.Dispatcher().Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(m.records) != 64 {
				t.Errorf("%d records", len(m.records))
			}
		})
	}
}

func TestToWriterFails(t *testing.T) {
	r, w := io.Pipe()
	_ = r.Close()
	p := newPlugin(t, audit.Settings{Sink: audit.ToWriter(w)})
	call(t.Context(), p, "a")
	if s := p.Stats(); !errors.Is(s.Err, io.ErrClosedPipe) || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
}
