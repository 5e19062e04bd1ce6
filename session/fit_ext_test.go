package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// able is a scripted backend that says what it can do.
type able struct {
	*scripted
	can stages.Capabilities
}

func (b able) Describe() stages.Backend { return stages.Backend{Name: "able", Capabilities: b.can} }

// What a backend says it cannot take is refused by name before anything is sent.
func TestFitRefusals(t *testing.T) {
	t.Parallel()
	picture := session.Images(stages.Image{URL: "https://harbour.example/a.png"})
	tide := session.Tools(tideTool())
	for _, form := range componentForms {
		for _, tc := range []struct {
			name string
			can  stages.Capabilities
			opt  session.InstructOption
			want string // what the error names; "" for none
		}{
			{"images for one that says nothing", stages.Capabilities{}, picture, "images"},
			{"images for one that takes tools", stages.Capabilities{Tools: true}, picture, "images"},
			{"images for one that takes them", stages.Capabilities{Images: true}, picture, ""},
			{"tools for one that says nothing", stages.Capabilities{}, tide, ""},
			{"tools for one that takes images", stages.Capabilities{Images: true}, tide, "tools"},
			{"tools for one that takes them", stages.Capabilities{Tools: true}, tide, ""},
		} {
			t.Run(form.name+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				rec, p := &recorder{}, stages.NewPipeline(stages.PipelineConfig{})
				if err := rec.register(p); err != nil {
					t.Fatal(err)
				}
				b := able{script(answer("fine")), tc.can}
				on := form.on(t, b, stages.History{}, p)
				_, err := on.Chat(t.Context(), "hello", tc.opt)
				if tc.want == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var e *session.BackendError
				if !errors.As(err, &e) || e.Kind != session.BackendInvalidRequest || e.Backend != "able" || !strings.Contains(e.Message, tc.want) {
					t.Errorf("got %v", err)
				}
				if len(b.requests()) > 0 || rec.count("error_occurred") != 1 || rec.count("generation_error") != 1 {
					t.Errorf("%d requests, %v", len(b.requests()), rec.names())
				}
				if s, ok := on.(*session.Session); ok && s.Totals().Generations != 0 {
					t.Errorf("got %+v", s.Totals())
				}
			})
		}
	}
}

// A backend that says nothing of itself decides on its own.
func TestFitLeavesAnUnknownBackendAlone(t *testing.T) {
	t.Parallel()
	b := script(answer("fine"))
	_, err := session.Chat(t.Context(), session.BackendFunc(b.Generate), stages.History{}, "hello",
		session.Images(stages.Image{URL: "https://harbour.example/a.png"}), session.Tools(tideTool()))
	if g := b.requests()[0]; err != nil || g.Messages().At(0).Images.Len() != 1 || g.Tools().Len() != 1 {
		t.Errorf("got %v", err)
	}
}

// A format goes to a backend that takes formats, and into the prompt for any other one; hooks see the format.
func TestFitFormat(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		backend func(b *scripted) session.Backend
		format  bool
	}{
		{"takes formats", func(b *scripted) session.Backend { return able{b, stages.Capabilities{Formats: true}} }, true},
		{"takes none", func(b *scripted) session.Backend { return able{b, stages.Capabilities{Tools: true}} }, false},
		{"says nothing", func(b *scripted) session.Backend { return session.BackendFunc(b.Generate) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := script(answer(`{"value":"06:40"}`))
			rec, p := &recorder{}, stages.NewPipeline(stages.PipelineConfig{})
			if err := rec.register(p); err != nil {
				t.Fatal(err)
			}
			f := session.NewSlot[struct{}, string]("high water!", "When?")
			if _, err := f.Call(t.Context(), session.On(tc.backend(b), stages.History{}, session.WithPipeline(p)), struct{}{}); err != nil {
				t.Fatal(err)
			}
			const schema = `{"type":"object","properties":{"value":{"type":"string"}},"required":["value"],"additionalProperties":false}`
			hooked := last[*stages.Generation](t, rec, "generation_pre_call")
			if got := hooked.Format(); got != (stages.Format{Name: "high_water_", Schema: schema}) || hooked.Messages().At(0).Text != "When?" {
				t.Errorf("hooks see %+v in %q", got, hooked.Messages().At(0).Text)
			}
			sent, text := b.requests()[0].Format(), b.requests()[0].Messages().At(0).Text
			if tc.format && (sent != hooked.Format() || text != "When?") || !tc.format && (sent != (stages.Format{}) || !strings.HasSuffix(text, "nothing else:\n"+schema)) {
				t.Errorf("sent %+v and %q", sent, text)
			}
			if c := last[*stages.Component](t, rec, "component_post_success"); c.Log().At(0).Messages.At(0).Text != text {
				t.Errorf("logged %q", c.Log().At(0).Messages.At(0).Text)
			}
		})
	}
}

// The format stands with the user's last message, also when tools were called since, or in one of its own.
func TestFitFormatInTheLastQuestion(t *testing.T) {
	t.Parallel()
	json := stages.Format{Name: "json"}
	b := script(call("tide", "{}"), answer(`{"value":"06:40"}`), answer("{}"))
	s := start(t, session.WithBackend(able{b, stages.Capabilities{Tools: true}}), session.WithTools(tideTool()))
	if _, err := session.NewSlot[struct{}, string]("f", "When?").Call(t.Context(), s, struct{}{}); err != nil {
		t.Fatal(err)
	}
	if m := b.requests()[1].Messages(); m.Len() != 3 || !strings.Contains(m.At(0).Text, "JSON schema") || m.At(2).Text != "06:40" {
		t.Errorf("got %+v", m.Slice())
	}
	if got := texts(s.History())[0]; got != "user: When?" {
		t.Errorf("the history has %q", got)
	}
	p := stages.NewPipeline(stages.PipelineConfig{})
	err := rewriteIn(ofGeneration, func(g *stages.Generation) *stages.Generation {
		return g.WithMessages(stages.ListOf(stages.Message{Role: stages.RoleSystem, Text: "Be brief."})).WithFormat(json)
	})(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.On(session.BackendFunc(b.Generate), stages.History{}, session.WithPipeline(p)).Chat(context.Background(), "x"); err != nil {
		t.Fatal(err)
	}
	if m := b.requests()[2].Messages(); m.Len() != 2 || m.At(1).Text != "Answer with JSON and nothing else." {
		t.Errorf("got %+v", m.Slice())
	}
}
