package session_test

import (
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// treacherous is a component that panics in one of its methods, from its nth call on.
type treacherous struct {
	kind, name, messages int
	calls                map[string]int
}

func (c *treacherous) call(method string, at int) {
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	if c.calls[method]++; at > 0 && c.calls[method] >= at {
		panic("in " + method)
	}
}

func (c *treacherous) Kind() string { c.call("Kind", c.kind); return "treacherous" }
func (c *treacherous) Name() string { c.call("Name", c.name); return "brutus" }
func (c *treacherous) Messages() ([]stages.Message, error) {
	c.call("Messages", c.messages)
	return []stages.Message{{Role: stages.RoleUser, Text: "et tu"}}, nil
}

// A component that a hook brings in cannot break the session: what it panics with is an error of the call.
func TestComponentOfAHook(t *testing.T) {
	t.Parallel()
	created := func(a stages.Action) func(*stages.Pipeline) error {
		return rewriteOut(ofCreate, func(c *stages.Create) *stages.Create { return c.WithComponent(a) })
	}
	executed := func(a stages.Action) func(*stages.Pipeline) error {
		return rewriteIn(ofComponent, func(c *stages.Component) *stages.Component { return c.WithAction(a) })
	}
	repaired := func(a stages.Action) func(*stages.Pipeline) error {
		return rewriteOut(ofRepair, func(r *stages.Repair) *stages.Repair { return r.WithRepairAction(a) })
	}
	for _, tc := range []struct {
		name  string
		setup func(*stages.Pipeline) error
		want  string // in the error; "" for none
	}{
		{"no component", created(nil), "component_post_create left no component"},
		{"a nil *Instruction", created((*session.Instruction)(nil)), "component_post_create left no component"},
		{"Kind panics", created(&treacherous{kind: 1}), "panic: in Kind"},
		{"Name panics", created(&treacherous{name: 1}), "panic: in Name"},
		{"Messages panics", created(&treacherous{messages: 1}), "panic: in Messages"},
		{"Kind panics the second time", created(&treacherous{kind: 2}), ""},
		{"Name panics the second time", created(&treacherous{name: 2}), ""},
		{"no action", executed(nil), "component_pre_execute left no action"},
		{"a nil *Instruction as action", executed((*session.Instruction)(nil)), "component_pre_execute left no action"},
		{"Kind of the action panics", executed(&treacherous{kind: 1}), "panic: in Kind"},
		{"Name of the action panics", executed(&treacherous{name: 1}), "panic: in Name"},
		{"Messages of the action panics", executed(&treacherous{messages: 1}), "panic: in Messages"},
		{"Kind of the action panics the second time", executed(&treacherous{kind: 2}), ""},
		{"no repair action", repaired(nil), "sampling_repair left no action"},
		{"a nil *Instruction as repair action", repaired((*session.Instruction)(nil)), "sampling_repair left no action"},
		{"Kind of the repair action panics", repaired(&treacherous{kind: 1}), ""}, // nobody asks for it
		{"Messages of the repair action panics", repaired(&treacherous{messages: 1}), "panic: in Messages"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script(answer("first"), answer("second"))), session.WithSetup(tc.setup), session.WithSetup(rec.register))
			_, err := s.Instruct(t.Context(), "hello", session.Require(mentions("second")), session.LoopBudget(2))
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if rep, err := s.Validate(t.Context(), mentions("second")); err != nil || !rep.Passed {
					t.Errorf("Validate got %+v, %v", rep, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if n := rec.count("error_occurred"); n != 1 || s.History().Len() != 0 {
				t.Errorf("error_occurred fired %d times, history %v", n, texts(s.History()))
			}
		})
	}
}

// Messages says nothing even where the loop is answered by a link.
func TestComponentOfAHookWithoutALoop(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(script()),
		session.WithSetup(rewriteIn(ofComponent, func(c *stages.Component) *stages.Component { return c.WithAction(nil) })),
		session.WithSetup(answering(ofComponent, func(c *stages.Component) *stages.Component {
			return c.Done(stages.ComponentResult{Result: stages.Output{Text: "hello"}, Success: true})
		})))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if rep, err := s.Validate(t.Context(), mentions("hello")); err != nil || !rep.Passed {
		t.Errorf("got %+v, %v", rep, err)
	}
}

// The Meta of the stages says what is executed, also when a hook has put it there.
func TestMetaFollowsTheComponent(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		setup func(*stages.Pipeline) error
		from  string // the first hook that is told
	}{
		{"another component", rewriteOut(ofCreate, func(c *stages.Create) *stages.Create { return c.WithComponent(&treacherous{}) }), "component_pre_execute"},
		{"another action", rewriteIn(ofComponent, func(c *stages.Component) *stages.Component { return c.WithAction(&treacherous{}) }), "sampling_loop_start"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script(answer("hello"))), session.WithSetup(tc.setup), session.WithSetup(rec.register))
			if _, err := s.Instruct(t.Context(), "hello", session.Name("greeting")); err != nil {
				t.Fatal(err)
			}
			want := stages.KindInstruction + " greeting"
			for _, e := range rec.all() {
				if strings.HasPrefix(e.hook, "session_") {
					continue
				}
				switch e.hook {
				case tc.from:
					want = "treacherous brutus"
				case "component_post_success": // has the Meta that the stage began with
					if tc.from == "sampling_loop_start" {
						continue
					}
				}
				if got := e.meta.ComponentKind + " " + e.meta.ComponentName; got != want {
					t.Errorf("%s: got %q, want %q", e.hook, got, want)
				}
			}
			if _, err := s.Validate(t.Context(), mentions("hello")); err != nil {
				t.Fatal(err)
			}
			if m := last[*stages.Validation](t, rec, "validation_pre_check").Meta(); m.ComponentKind != "treacherous" || m.ComponentName != "brutus" {
				t.Errorf("Validate: got %+v", m)
			}
		})
	}
}
