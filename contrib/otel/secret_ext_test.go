package otel_test

import (
	"context"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// noSecret says that nothing that was written has a text in it.
func noSecret(tb testing.TB, r *rig) {
	tb.Helper()
	all := r.everything(tb)
	if i := strings.Index(all, "SECRET"); i >= 0 {
		tb.Errorf("a text was written: ...%s...", all[max(0, i-200):min(len(all), i+100)])
	}
}

func redact(s string) string { return strings.ReplaceAll(s, "SECRET", "[x]") }

// Contents that are switched on are what the redactor leaves, of what the links have left.
func TestContents(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{Contents: true, Redact: redact, MaxContent: 40})
	s := r.start(t, says(asks("tide", `{"harbour":"SECRET north"}`), answer("at noon, SECRET, password")), session.WithTools(tide(atNoon)),
		session.WithSetup(func(p *stages.Pipeline) error {
			_, err := p.Generation.Use(chain.Before("pii", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				system := stages.ListOf(stages.Message{Role: stages.RoleSystem, Text: "be SECRET"})
				return g.WithMessages(system.Append(g.Messages().Map(func(m stages.Message) stages.Message {
					m.Text = strings.ReplaceAll(m.Text, "password", "<token>")
					if m.Role == stages.RoleUser {
						m.Images = stages.ListOf(stages.Image{MediaType: "image/png", Base64: "SECRET"})
					}
					return m
				}).Slice()...)), nil
			}), chain.After("pii out", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				return g.WithText(strings.ReplaceAll(g.Output().Text, "password", "<token>")), nil
			}))
			return err
		}))
	long := strings.Repeat("é", 40)
	if _, err := s.Instruct(t.Context(), "SECRET password "+long, session.ModelOptions(stages.ModelOptions{Stop: stages.ListOf("SECRET end")})); err != nil {
		t.Fatal(err)
	}
	all := r.everything(t)
	for _, never := range []string{"SECRET", "password"} {
		if strings.Contains(all, never) {
			t.Errorf("%s was written: %s", never, all)
		}
	}
	has(t, r.span(t, "execute_tool tide"), map[string]string{"gen_ai.tool.call.arguments": `{"harbour":"[x] north"}`, "gen_ai.tool.call.result": "[x] noon"})
	cut := "[x] <token> " + strings.Repeat("é", 14) + "…"
	answers := 0
	for _, span := range r.spans.Ended() {
		if out, _ := attr(span, "gen_ai.output.messages"); !strings.Contains(out, "noon") {
			continue
		}
		answers++
		has(t, span, map[string]string{
			"gen_ai.system_instructions": `[{"type":"text","content":"be [x]"}]`,
			"gen_ai.input.messages": `[{"role":"user","parts":[{"type":"text","content":"` + cut + `"},{"type":"blob","modality":"image","mime_type":"image/png"}]},` +
				`{"role":"assistant","parts":[{"type":"tool_call","id":"call-1","name":"tide","arguments":"{\"harbour\":\"[x] north\"}"}]},` +
				`{"role":"tool","parts":[{"type":"tool_call_response","id":"call-1","response":"[x] noon"}]}]`,
			"gen_ai.output.messages":        `[{"role":"assistant","parts":[{"type":"text","content":"at noon, [x], <token>"}],"finish_reason":"stop"}]`,
			"gen_ai.request.stop_sequences": `["[x] end"]`,
		})
	}
	if answers != 1 {
		t.Errorf("%d chat spans with the answer", answers)
	}
}

// The id of a tool call is a text of the model.
func TestIDOfAToolCall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		settings otel.Settings
		want     string
	}{
		"contents off": {otel.Settings{Redact: redact}, "-"},
		"contents on":  {otel.Settings{Contents: true, Redact: redact}, "id-[x]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tc.settings)
			call := stages.ToolCall{ID: "id-SECRET", Name: "tide", Arguments: stages.JSON(`{}`)}
			turn := plugintest.Answer(stages.Output{ToolCalls: stages.ListOf(call), FinishReason: stages.FinishToolCalls})
			if _, err := r.start(t, says(turn, answer("at noon")), session.WithTools(tide(atNoon))).Instruct(t.Context(), "when?"); err != nil {
				t.Fatal(err)
			}
			has(t, r.span(t, "execute_tool tide"), map[string]string{"gen_ai.tool.call.id": tc.want})
			noSecret(t, r)
		})
	}
}

// What a call that failed had in it is not written: the links that would have cleaned it may not have run. Nor is what the
// redactor panics on.
func TestContentsFailClosed(t *testing.T) {
	t.Parallel()
	blocks := func(context.Context, *stages.Generation) (*stages.Generation, error) { return nil, chain.Block("no") }
	for name, link := range map[string]chain.Link[*stages.Generation]{"before": chain.Before("no", blocks), "after": chain.After("no", blocks)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, otel.Settings{Contents: true, Redact: func(s string) string { return s }})
			s := r.start(t, says(answer("SECRET")), session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Generation.Use(link)
				return err
			}))
			if _, err := s.Chat(t.Context(), "SECRET"); err == nil {
				t.Fatal("not blocked")
			}
			has(t, r.span(t, "chat m-1"), map[string]string{"gen_ai.input.messages": "-", "error.type": "blocked"})
			noSecret(t, r)
		})
	}
	t.Run("redactor panics", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, otel.Settings{Contents: true, Redact: func(string) string { panic("SECRET") }})
		if _, err := r.start(t, says(answer("SECRET"))).Chat(t.Context(), "SECRET"); err != nil {
			t.Fatal(err)
		}
		has(t, r.span(t, "chat m-1"), map[string]string{
			"gen_ai.input.messages": `[{"role":"user","parts":[{"type":"text","content":"[not redacted]"}]}]`, "error.type": "-",
		})
		noSecret(t, r)
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		s    otel.Settings
		want []string
	}{
		"all at once": {
			otel.Settings{SemConv: "1.0.0", Contents: true, MaxContent: -1},
			[]string{`semconv "1.0.0": use "1.41.0" or "1.36.0"`, "contents need Settings.Redact", "max_content -1"},
		},
		"contents of old": {otel.Settings{SemConv: otel.SemConv1_36, Contents: true, Redact: redact}, []string{"contents are not in version 1.36.0"}},
	} {
		_, err := otel.New(tc.s)
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
		}
	}
}
