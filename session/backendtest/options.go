package backendtest

import (
	"context"
	"errors"
	"strings"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// option is one field of stages.ModelOptions.
type option struct {
	name  string // as an error has to call it
	value stages.ModelOptions
	wire  []string // what a request has of it
	// local says what is wrong with the answers of a local backend that did not refuse it.
	local func(e *exam) string
}

const (
	extraName  = "backendtest_option"
	extraValue = "backendtest-value"
)

func modelOptions() []option {
	return []option{
		{"temperature", stages.ModelOptions{Temperature: stages.Some(0.625)}, []string{"0.625"}, func(e *exam) string {
			return e.alike(stages.ModelOptions{Temperature: stages.Some(0.0)}, "at temperature 0")
		}},
		{"top_p", stages.ModelOptions{TopP: stages.Some(0.875)}, []string{"0.875"}, func(e *exam) string {
			return e.alike(stages.ModelOptions{TopP: stages.Some(1e-9)}, "with almost no top_p")
		}},
		{"max_tokens", stages.ModelOptions{MaxTokens: stages.Some(317)}, []string{"317"}, func(e *exam) string {
			o := e.with(stages.ModelOptions{MaxTokens: stages.Some(1)})
			if o.err == nil && (o.g.Output().Usage.OutputTokens > 1 || o.g.Output().FinishReason != stages.FinishLength) {
				return "one token is too many"
			}
			return ""
		}},
		{"seed", stages.ModelOptions{Seed: stages.Some(int64(424242))}, []string{"424242"}, func(e *exam) string {
			seen := map[string]bool{}
			for seed := range int64(8) {
				a, b := e.with(stages.ModelOptions{Seed: stages.Some(seed)}), e.with(stages.ModelOptions{Seed: stages.Some(seed)})
				if a.err != nil || b.err != nil || a.g.Output().Text != b.g.Output().Text {
					return "the same seed gives two answers"
				}
				seen[a.g.Output().Text] = true
			}
			if len(seen) == 1 {
				return "all seeds give one answer"
			}
			return ""
		}},
		{"stop", stages.ModelOptions{Stop: stages.ListOf("STOP-HERE", "OR-HERE")}, []string{"STOP-HERE", "OR-HERE"}, func(e *exam) string {
			full := e.with(stages.ModelOptions{})
			if full.err != nil {
				return full.err.Error()
			}
			words := strings.Fields(full.g.Output().Text)
			stop := words[len(words)/2]
			if o := e.with(stages.ModelOptions{Stop: stages.ListOf(stop)}); o.err == nil && strings.Contains(o.g.Output().Text, stop) {
				return "the text goes on"
			}
			return ""
		}},
		{extraName, stages.ModelOptions{Extra: stages.MapOf(map[string]any{extraName: extraValue})}, []string{extraName, extraValue}, func(*exam) string {
			return "nobody knows it, and it was not refused"
		}},
	}
}

func (e *exam) options() {
	e.service.answers(always(says("An answer.")))
	for _, o := range modelOptions() {
		e.passedOn(o.name, o.wire, func(f *stages.GenerationFields) { f.ModelOptions = f.ModelOptions.Merge(o.value) }, o.local)
	}
	e.passedOn("model", []string{"another-model"}, func(f *stages.GenerationFields) { f.Backend.Model = "another-model" }, func(*exam) string {
		return "there is none of that name, and it was not refused"
	})
}

// passedOn asks for something that has to be in the request, or to be refused by name; of a local backend, to have an effect.
// It says whether it was refused.
func (e *exam) passedOn(name string, wire []string, change func(*stages.GenerationFields), local func(*exam) string) {
	for _, w := range e.ways() {
		e.service.answers(always(says("An answer.")))
		o := e.do(context.Background(), w, e.generation(change), nil)
		asked := e.service.asked()
		switch {
		case o.hung:
		case o.err != nil && len(asked) == 0:
			e.refusal(w.name, name, o.err)
		case o.err != nil:
			e.bad("%s with %s: %v", w.name, name, o.err)
		case e.Local:
			if local == nil {
				e.bad("%s with %s: it was not refused", w.name, name)
			} else if wrong := local(e); wrong != "" {
				e.bad("%s with %s: %s", w.name, name, wrong)
			}
		default:
			for _, part := range wire {
				if len(asked) == 0 || !strings.Contains(asked[0], part) {
					e.bad("%s with %s: %q is not in the request, and it was not refused", w.name, name, part)
				}
			}
		}
	}
}

// refusal expects a refusal by name.
func (e *exam) refusal(way, name string, err error) {
	var got *session.BackendError
	if !errors.As(err, &got) || got.Kind != session.BackendInvalidRequest {
		e.bad("%s with %s: got %v, want it to be passed on, or a *session.BackendError of kind %s", way, name, err, session.BackendInvalidRequest)
	}
	plain := strings.NewReplacer("_", " ", "-", " ").Replace
	if !strings.Contains(strings.ToLower(plain(err.Error())), plain(name)) {
		e.bad("%s with %s: refused, but not by its name: %v", way, name, err)
	}
}

// with asks a local backend.
func (e *exam) with(o stages.ModelOptions) outcome {
	return e.do(context.Background(), e.ways()[0], e.generation(func(f *stages.GenerationFields) { f.ModelOptions = f.ModelOptions.Merge(o) }), nil)
}

// alike asks several times and expects one answer.
func (e *exam) alike(o stages.ModelOptions, how string) string {
	seen := map[string]bool{}
	for seed := range int64(4) {
		o.Seed = stages.Some(seed)
		got := e.with(o)
		if got.err != nil {
			o.Seed = stages.Optional[int64]{}
			got = e.with(o)
		}
		if got.err != nil {
			return got.err.Error()
		}
		seen[got.g.Output().Text] = true
	}
	if len(seen) > 1 {
		return "several answers " + how
	}
	return ""
}
