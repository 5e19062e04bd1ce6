package otel_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// noon is a requirement that the first answer of most tests does not fulfil.
var noon = session.Check("SECRET says when", func(text string) (bool, string) { return text == "at noon", "SECRET no time" })

// All spans of one instruction with a tool and a repair, and what they say.
func TestTree(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(asks("tide", "{}"), answer("SECRET soon"), answer("at noon")), session.WithTools(tide(atNoon)))
	res, err := s.Instruct(t.Context(), "SECRET when is high water?", session.Require(noon), session.Using(session.TemplateRepair{LoopBudget: 3}),
		session.ModelOptions(stages.ModelOptions{Temperature: stages.Some(0.5), MaxTokens: stages.Some(9), Seed: stages.Some(int64(4)), TopP: stages.Some(0.25)}))
	if err != nil || !res.Success {
		t.Fatal(res, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `session
  component Instruction
    sampling template_repair
      chat m-1
      execute_tool tide
      chat m-1
      validation maillon.validation.passed=false
      chat m-1
      validation maillon.validation.passed=true
`
	if got := r.tree("maillon.validation.passed"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	request := ""
	for _, span := range r.spans.Ended() {
		has(t, span, map[string]string{"gen_ai.conversation.id": s.ID(), "error.type": "-"})
		if span.Status().Code != codes.Unset {
			t.Errorf("%s: status %v", span.Name(), span.Status())
		}
		if span.Name() == "session" {
			continue
		}
		id, _ := attr(span, "maillon.request.id")
		if request == "" {
			request = id
		}
		if id == "" || id != request {
			t.Errorf("%s: request %q, want %q", span.Name(), id, request)
		}
		has(t, span, map[string]string{"maillon.component.kind": "Instruction"})
		if span.Name() != "component Instruction" {
			has(t, span, map[string]string{"maillon.strategy": "template_repair"})
		}
	}
	has(t, r.span(t, "session"), map[string]string{
		"gen_ai.provider.name": "harbour", "gen_ai.request.model": "m-1", "maillon.session.interactions": "1", "maillon.session.generations": "3",
		"maillon.usage.input_tokens": "29", "maillon.usage.output_tokens": "12",
	})
	has(t, r.span(t, "component Instruction"), map[string]string{"maillon.success": "true", "maillon.usage.input_tokens": "29", "maillon.usage.output_tokens": "12"})
	has(t, r.span(t, "sampling template_repair"), map[string]string{"maillon.success": "true", "maillon.sampling.iterations": "2"})
	has(t, r.span(t, "execute_tool tide"), map[string]string{
		"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "tide", "gen_ai.tool.type": "function", "gen_ai.tool.call.id": "-",
		"gen_ai.tool.description": "finds the tide", "gen_ai.tool.call.arguments": "-", "gen_ai.tool.call.result": "-",
	})
	chats := 0
	for _, span := range r.spans.Ended() {
		if span.Name() != "chat m-1" {
			continue
		}
		if span.SpanKind() != trace.SpanKindClient {
			t.Errorf("kind %v", span.SpanKind())
		}
		chats++
		has(t, span, map[string]string{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "harbour", "gen_ai.request.model": "m-1", "gen_ai.request.temperature": "0.5",
			"gen_ai.request.max_tokens": "9", "gen_ai.request.seed": "4", "gen_ai.request.top_p": "0.25", "maillon.source": "backend", "gen_ai.system": "-",
			"gen_ai.input.messages": "-", "gen_ai.output.messages": "-", "gen_ai.request.stream": "-",
		})
		if chats == 3 {
			has(t, span, map[string]string{
				"gen_ai.response.model": "m-1-2026", "gen_ai.response.finish_reasons": `["stop"]`, "gen_ai.usage.input_tokens": "11",
				"gen_ai.usage.output_tokens": "5", "gen_ai.usage.cache_read.input_tokens": "3",
			})
		}
	}
	noSecret(t, r)
}

// The caller's span, and which one the session comes between.
func TestParents(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	tracer := r.tracer.Tracer("caller")
	ctx, handler := tracer.Start(t.Context(), "handler")
	s, err := session.Start(ctx, session.WithBackend(says(answer("yes"))), session.WithPlugins(r.Plugin))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context) {
		t.Helper()
		if _, err := s.Chat(ctx, "well?"); err != nil {
			t.Fatal(err)
		}
	}
	ask(ctx)         // under the session, which is under the handler
	ask(t.Context()) // nothing known: under the session
	inner, span := tracer.Start(ctx, "inner")
	ask(inner) // under the inner span
	span.End()
	other, apart := tracer.Start(t.Context(), "apart")
	ask(other) // under a trace of its own, which tells of the session
	apart.End()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler.End()
	want := `handler
  session
    component Message
      sampling rejection_sampling
        chat m-1
    component Message
      sampling rejection_sampling
        chat m-1
  inner
    component Message
      sampling rejection_sampling
        chat m-1
apart
  component Message
    sampling rejection_sampling
      chat m-1
`
	if got := r.tree(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	session := r.span(t, "session").SpanContext()
	for _, span := range r.spans.Ended() {
		linked := len(span.Links()) == 1 && span.Links()[0].SpanContext.SpanID() == session.SpanID()
		want := span.Name() == "component Message" && span.SpanContext().TraceID() == apart.SpanContext().TraceID()
		if linked != want || len(span.Links()) > 1 {
			t.Errorf("%s: links %v, want one: %v", span.Name(), span.Links(), want)
		}
	}
}

// Calls without a session have no session's span, and one that does not start has one that ends.
func TestWithoutSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	ctx, release, err := stages.WithPlugins(t.Context(), r.Plugin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release() }()
	if _, err := session.On(says(answer("yes")), stages.History{}).Chat(ctx, "well?"); err != nil {
		t.Fatal(err)
	}
	if got, want := r.tree(), "component Message\n  sampling rejection_sampling\n    chat m-1\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	has(t, r.span(t, "chat m-1"), map[string]string{"gen_ai.conversation.id": "-"})

	r = newRig(t, otel.Settings{})
	_, err = session.Start(t.Context(), session.WithBackend(says(answer("yes"))), session.WithPlugins(r.Plugin,
		chain.Before("no", func(context.Context, *stages.Session) (*stages.Session, error) {
			return nil, chain.Block("SECRET", chain.Code("closed_today"))
		})))
	if err == nil {
		t.Fatal("the session started")
	}
	has(t, r.span(t, "session"), map[string]string{"error.type": "closed_today"})
	noSecret(t, r)
}

// One chat span for all attempts of a retry, with the answer that came in the end.
func TestRetry(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(plugintest.Fails(&session.BackendError{Kind: session.BackendServerError, Message: "SECRET"}), answer("yes")), session.WithSetup(func(p *stages.Pipeline) error {
		_, err := p.Generation.Use(chain.Intercept[*stages.Generation]("retry", middleware.Retry(3, middleware.RetryBase(1))))
		return err
	}))
	if _, err := s.Chat(t.Context(), "well?"); err != nil {
		t.Fatal(err)
	}
	chat := r.span(t, "chat m-1")
	has(t, chat, map[string]string{"error.type": "-", "gen_ai.usage.output_tokens": "5"})
	noSecret(t, r)
}

// An answer of a cache is no use of tokens.
func TestCached(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(plugintest.Fails(errors.New("not reached"))), session.WithSetup(func(p *stages.Pipeline) error {
		_, err := p.Generation.Use(chain.Around("cache", func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
			return func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
				o, _ := answer("yes")(ctx, g)
				return g.Done(stages.GenerationResult{Output: o, Source: stages.SourceCache}), nil
			}
		}))
		return err
	}))
	if _, err := s.Chat(t.Context(), "well?"); err != nil {
		t.Fatal(err)
	}
	has(t, r.span(t, "chat m-1"), map[string]string{"maillon.source": "cache", "gen_ai.usage.input_tokens": "-", "gen_ai.response.model": "m-1-2026"})
	if got := r.points(t, "gen_ai.client.token.usage"); len(got) != 0 {
		t.Errorf("tokens %v", got)
	}
}

// What a model judges is asked below the validation, in a request of its own that says whose it is.
func TestJudgeNests(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(answer("at noon"), answer("yes")))
	if _, err := s.Instruct(t.Context(), "well?", session.Require(stages.Requirement{Description: "SECRET is polite"})); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `session
  component Instruction
    sampling rejection_sampling
      chat m-1
      validation
        chat m-1
`
	if got := r.tree(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	outer, _ := attr(r.span(t, "component Instruction"), "maillon.request.id")
	nested := 0
	for _, span := range r.spans.Ended() {
		if parent, ok := attr(span, "maillon.request.parent_id"); ok {
			nested++
			if parent != outer {
				t.Errorf("%s: parent %q, want %q", span.Name(), parent, outer)
			}
		}
	}
	if nested == 0 {
		t.Errorf("no nested request in\n%s", r.tree())
	}
	noSecret(t, r)
}

// A check that fails itself fails the validation, by its class.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(answer("at noon")))
	broken := stages.Requirement{Description: "SECRET", Check: func(context.Context, stages.Target) (stages.Verdict, error) {
		return stages.Verdict{}, errDown
	}}
	if _, err := s.Instruct(t.Context(), "well?", session.Require(broken)); err == nil {
		t.Fatal("no error")
	}
	has(t, r.span(t, "validation"), map[string]string{"error.type": "_OTHER"})
	has(t, r.span(t, "sampling rejection_sampling"), map[string]string{"error.type": "_OTHER"})
	has(t, r.span(t, "chat m-1"), map[string]string{"error.type": "-"})
	noSecret(t, r)
}
