package session_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// ownBackend and ownAction are a user's, without a line about hooks.
type ownBackend struct{ *scripted }

func (ownBackend) LoadAdapter(context.Context, string, stages.Map[any]) error { return nil }
func (ownBackend) UnloadAdapter(context.Context, string) error                { return nil }

type ownAction struct{}

func (ownAction) Kind() string { return "ownAction" }
func (ownAction) Name() string { return "mine" }
func (ownAction) Messages() ([]stages.Message, error) {
	return []stages.Message{{Role: stages.RoleUser, Text: "When is high water?"}}, nil
}

// Hooks fire from the runtime: a user's own backend, component and strategy fire all of them.
func TestOwnThingsFireEveryHook(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	b := ownBackend{script(answer("soon"), call("tide", `{}`), answer("High water is at 06:40."), fails(errDown))}
	s := start(t, session.WithSetup(rec.register), session.WithSetup(rec.registerStream), session.WithBackend(b), session.WithTools(tideTool()),
		session.WithHistory(stages.NewHistory(stages.Message{Role: stages.RoleUser, Text: "Hello?"})),
		session.WithPruning(session.KeepTurns(1)), session.WithSetup(
			rewriteOut(ofCreate, func(c *stages.Create) *stages.Create { return c.WithComponent(ownAction{}) })))
	st := s.Stream(t.Context(), "x", session.Using(nagging{}), session.Require(mentions("High water")))
	for _, err := range st.Text() {
		if err != nil {
			t.Fatal(err)
		}
	}
	res, err := st.Result()
	if err != nil || !res.Success {
		t.Fatalf("got %+v, %v", res, err)
	}
	if _, err := s.Instruct(t.Context(), "x", session.Using(nagging{})); err == nil {
		t.Fatal("no error")
	}
	if err := s.LoadAdapter(t.Context(), "tides", stages.Map[any]{}); err != nil {
		t.Fatal(err)
	}
	if err := s.UnloadAdapter(t.Context(), "tides"); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(t.Context(), "enough"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := rec.names()
	for _, h := range stages.HookPoints() {
		if !slices.Contains(got, h.Name) {
			t.Errorf("%s did not fire", h.Name)
		}
	}
	for _, e := range rec.all() {
		if strings.HasPrefix(e.hook, "sampling_") && (e.meta.ComponentKind != "ownAction" || e.meta.ComponentName != "mine" || e.meta.Strategy != "nagging") {
			t.Errorf("%s: %+v", e.hook, e.meta)
		}
	}
	var repaired []string // three times: "soon", and two attempts without an answer
	for _, e := range rec.all() {
		if r, ok := e.payload.(*stages.Repair); ok && r.Kind() == stages.RepairCustom {
			repaired = append(repaired, r.Failed().Result.Text)
		}
	}
	if !slices.Equal(repaired, []string{"soon", "", ""}) {
		t.Errorf("repaired %q", repaired)
	}
}

var _ session.Strategy = nagging{}

// A strategy's own error, or a panic of it, is that of the call, and its loop has an end.
func TestOwnStrategyThatFails(t *testing.T) {
	t.Parallel()
	for name, st := range map[string]session.Strategy{
		"an error": repairing(func() (stages.Action, error) { return nil, errDown }),
		"a panic":  repairing(func() (stages.Action, error) { panic(errDown) }),
		"nothing":  repairing(func() (stages.Action, error) { return nil, nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script(answer("no"), answer("no"))), session.WithSetup(rec.register))
			_, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")), session.Using(st))
			if err == nil {
				t.Fatal("no error")
			}
			if end := last[*stages.Sampling](t, rec, "sampling_loop_end"); end.Err() == nil || end.Iterations() != 1 || rec.count("sampling_repair") != 0 {
				t.Errorf("sampling_loop_end got %+v", end)
			}
		})
	}
}

type repairing func() (stages.Action, error)

func (repairing) Name() string              { return "repairing" }
func (repairing) Settings() stages.Map[any] { return stages.Map[any]{} }
func (f repairing) Repair(context.Context, session.Failed) (stages.Action, stages.History, error) {
	a, err := f()
	return a, stages.History{}, err
}
