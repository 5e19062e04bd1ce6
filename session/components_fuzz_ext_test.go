package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Values arrive as they are, whatever a template would make of them.
func FuzzComponentValues(f *testing.F) {
	for _, v := range []string{
		"", "plain", "{{", "}}", "{{.v}}", "{{.missing}}", `{{template "description"}}`, `{{define "prefix"}}x{{end}}`, "{{/* */}}",
		"{{- trim -}}", "a\n\nArgument v:\nb", "```json", "<b>&\u2028", "\xff", "%s %d", `"quoted\"`, "$v",
	} {
		f.Add(v)
	}
	type in struct {
		V string `json:"v"`
	}
	slot := session.NewSlot[in, string]("f", "Say {{.v}}!")
	f.Fuzz(func(t *testing.T, v string) {
		var asked stages.Message
		b := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			asked = g.Messages().At(g.Messages().Len() - 1)
			text, err := json.Marshal(map[string]string{"value": v})
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: string(text)}}), err
		})
		on := session.On(b, stages.History{})
		want := func(what string, err error, text string) {
			t.Helper()
			if err != nil || asked.Text != text {
				t.Errorf("%s: asked %q, %v, want %q", what, asked.Text, err, text)
			}
		}
		_, err := on.Instruct(t.Context(), "Say {{.v}}!", session.Variable("v", v), session.Prefix("{{.v}}"),
			session.Require(session.Check("Mind {{.v}}.", pass)), session.Examples(v), session.Grounding(stages.ContextItem{Text: v}))
		want("Instruct", err, "Say "+v+"!\n\nRequirements:\n- Mind "+v+".\n\nExample 1 of a good answer:\n"+v+"\n\nContext:\n"+v+
			"\n\nBegin the answer with exactly this text and continue it:\n"+v)
		_, err = on.Instruct(t.Context(), v)
		want("Instruct without variables", err, v)
		_, err = on.Chat(t.Context(), v)
		want("Chat", err, v)
		_, err = on.Query(t.Context(), v, v)
		want("Query", err, v+"\n\nThe question is about this:\n"+v)
		got, _, err := session.Transform(t.Context(), on, v, v)
		asked.Text, _ = strings.CutSuffix(asked.Text, tail)
		want("Transform", err, v+"\n\nChange this and answer with the whole result:\n"+v)
		if !utf8.ValidString(v) { // which JSON cannot hold
			return
		}
		if got != v {
			t.Errorf("Transform gave %q, want %q", got, v)
		}
		got, err = slot.Call(t.Context(), on, in{v})
		asked.Text, _ = strings.CutSuffix(asked.Text, tail)
		want("Slot", err, "Say "+v+"!\n\nArgument v:\n"+v)
		if got != v {
			t.Errorf("Slot gave %q, want %q", got, v)
		}
	})
}

// tail is what a backend without formats is told behind a question for a text.
const tail = "\n\nAnswer with JSON that fits this JSON schema, and nothing else:\n" +
	`{"type":"object","properties":{"value":{"type":"string"}},"required":["value"],"additionalProperties":false}`

// An answer that is taken is one that encoding/json takes too when it is strict, with the same value.
func FuzzSlotAnswer(f *testing.F) {
	for _, text := range []string{
		`{"time":"06:40","high":true}`, "```json\n{\"time\":\"06:40\",\"high\":true}\n```", `{"time":"06:40","high":true} `,
		`{"time":null,"high":true}`, `{"TIME":"06:40","high":true}`, `{"time":"06:40","high":true}{}`, "``````", "```\n```", "[]",
		`{"time":"a","time":"b","high":false}`, "```json\n", "1e999",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := slotAnswer[tideOut](t, text)
		if err != nil {
			if e := (*session.DecodeError)(nil); !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			return
		}
		from, to := strings.Index(text, "{"), strings.LastIndex(text, "}")
		d := json.NewDecoder(strings.NewReader(text[from : to+1]))
		d.DisallowUnknownFields()
		var want tideOut
		if err := d.Decode(&want); err != nil || want != got {
			t.Errorf("got %+v, want %+v, %v", got, want, err)
		}
		if rest := strings.NewReplacer("```", "", "json", "", "JSON", "").Replace(strings.ToLower(text[:from] + text[to+1:])); strings.TrimSpace(rest) != "" {
			t.Errorf("%q was left over", rest)
		}
	})
}
