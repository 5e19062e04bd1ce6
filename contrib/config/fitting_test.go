package config_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// mixed is a plugin with a hook, an Around and an observer.
type mixed struct{}

func (mixed) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g, nil
}

func (mixed) WrapGeneration(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
	return next
}

func (mixed) ObserveGeneration(context.Context, chain.Outcome[*stages.Generation]) {}

// watcher only observes.
type watcher struct{}

func (watcher) ObserveGeneration(context.Context, chain.Outcome[*stages.Generation]) {}

func newMixedEnv(t *testing.T) *env {
	e := newEnv(t)
	config.Register(e.kinds, "mixed", func(struct{}) (any, error) { return &mixed{}, nil })
	config.Register(e.kinds, "watcher", func(struct{}) (any, error) { return &watcher{}, nil })
	return e
}

// What a plugin, a group or the defaults say reaches those of their links whose kind can have it; the others say so.
func TestOptionsForSeveralKinds(t *testing.T) {
	const plugin = "plugins:\n- name: x\n  kind: mixed\n"
	for _, tc := range []struct {
		name, text        string
		hook, wrap, watch string // mode and failure policy
		notWrap, notWatch string // what the notes say was left out
	}{
		{
			name: "defaults", text: "settings: {defaults: {mode: audit, on_error: fail}}\n" + plugin + "- {name: y, kind: watcher}\n",
			hook: "audit fail", wrap: "audit ignore", watch: "sequential ignore", notWrap: "cannot stop", notWatch: "mode audit",
		},
		{
			name: "plugin", text: plugin + "  mode: transform\n  on_error: fail\n  timeout: 1s\n",
			hook: "transform fail", wrap: "sequential fail", watch: "sequential ignore", notWrap: "mode transform", notWatch: "cannot stop",
		},
		{
			name: "group", text: "groups:\n- name: g\n  mode: fire_and_forget\n  plugins:\n  - {name: x, kind: mixed, on_error: fail}\n",
			hook: "fire_and_forget ignore", wrap: "sequential fail", watch: "fire_and_forget ignore", notWrap: "mode fire_and_forget", notWatch: "cannot stop",
		},
		{
			name: "what only one kind has", text: plugin + "  outer: true\n  timed: true\n  candidate_for: old\n",
			hook: "sequential fail", wrap: "sequential fail", watch: "sequential ignore", notWrap: "Timed is for", notWatch: "Outer is for",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newMixedEnv(t)
			e.open(tc.text)
			got, notes := map[string]string{}, map[string]string{}
			for _, l := range e.p.Generation.Explain().Links {
				got[l.Name] = l.Mode.String() + " " + l.OnFailure.String()
				notes[l.Name] = strings.Join(l.Notes, "\n")
			}
			for link, want := range map[string]string{"x.generation_pre_call": tc.hook, "x.wrap_generation": tc.wrap, "x.observe_generation": tc.watch} {
				if got[link] != want {
					t.Errorf("%s: %s, want %s", link, got[link], want)
				}
			}
			for link, want := range map[string]string{"x.wrap_generation": tc.notWrap, "x.observe_generation": tc.notWatch} {
				if !strings.Contains(notes[link], "left out: ") || !strings.Contains(notes[link], want) {
					t.Errorf("%s: notes %q, want %q", link, notes[link], want)
				}
			}
		})
	}
}

// An option that none of the links can have is an error, as is one of a single hook, and of an override.
func TestOptionsThatFitNothing(t *testing.T) {
	for name, tc := range map[string]struct{ text, at, want string }{
		"of a plugin":       {"plugins:\n- {name: x, kind: watcher, mode: audit}\n", "2:10", "mode audit: an observer takes"},
		"of a group":        {"groups:\n- name: g\n  on_error: fail\n  plugins:\n  - {name: x, kind: watcher}\n", "2:9", "cannot stop a call"},
		"of a hook":         {"plugins:\n- name: x\n  kind: mixed\n  hooks:\n    wrap_generation: {mode: transform}\n", "2:9", "an Around takes"},
		"of an override":    {"plugins:\n- {name: x, kind: mixed}\noverrides:\n- {link: x.observe_generation, mode: audit}\n", "4:10", "an observer takes"},
		"in the background": {"plugins:\n- {name: x, kind: mixed, mode: fire_and_forget, on_error: fail}\n", "2:59", "cannot fail a call"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newMixedEnv(t)
			e.write(tc.text)
			_, err := config.Open(t.Context(), e.path, e.opts)
			at, ok := errors.AsType[*config.Error](err)
			if !ok || !strings.HasPrefix(at.Error(), e.path+":"+tc.at+":") || !strings.Contains(at.Error(), tc.want) {
				t.Errorf("got %v, want it at %s: %s", err, tc.at, tc.want)
			}
		})
	}
}
