package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// slotAnswer calls a slot from nothing to Out once, with a backend that gives one answer.
func slotAnswer[Out any](tb testing.TB, text string) (Out, error) {
	tb.Helper()
	f := session.NewSlot[struct{}, Out]("f", "do it")
	return f.Call(tb.Context(), session.On(script(answer(text)), stages.History{}), struct{}{}, session.LoopBudget(1))
}

// An answer is one JSON value that fits the schema, or a fenced block that is one; nothing else passes.
func TestSlotIsStrict(t *testing.T) {
	t.Parallel()
	good := tideOut{"06:40", true}
	for _, tc := range []struct {
		name, text string
		problem    session.DecodeProblem // "" for none
	}{
		{"plain", `{"time":"06:40","high":true}`, ""},
		{"white space", "\n  {\"time\": \"06:40\",\t\"high\": true} \n", ""},
		{"fenced as json", "```json\n{\"time\":\"06:40\",\"high\":true}\n```", ""},
		{"fenced as JSON", "\n```JSON \n{\"time\":\"06:40\",\"high\":true}```\n", ""},
		{"fenced as nothing", "```\n{\"time\":\"06:40\",\"high\":true}\n```", ""},
		{"fenced as yaml", "```yaml\n{\"time\":\"06:40\",\"high\":true}\n```", session.DecodeNotJSON},
		{"a fence that does not end", "```json\n{\"time\":\"06:40\",\"high\":true}", session.DecodeNotJSON},
		{"text before the fence", "Here:\n```json\n{\"time\":\"06:40\",\"high\":true}\n```", session.DecodeNotJSON},
		{"text behind the fence", "```json\n{\"time\":\"06:40\",\"high\":true}\n```\nThere.", session.DecodeNotJSON},
		{"two fences", "```json\n{\"time\":\"06:40\",\"high\":true}\n```\n```json\n{}\n```", session.DecodeTrailing},
		{"nothing", "", session.DecodeNotJSON},
		{"prose", "At 06:40.", session.DecodeNotJSON},
		{"cut off", `{"time":"06:40","hi`, session.DecodeNotJSON},
		{"trailing text", `{"time":"06:40","high":true} I hope so.`, session.DecodeTrailing},
		{"a second value", `{"time":"06:40","high":true}{}`, session.DecodeTrailing},
		{"an unknown field", `{"time":"06:40","high":true,"low":1}`, session.DecodeSchema},
		{"a missing field", `{"time":"06:40"}`, session.DecodeSchema},
		{"another case", `{"Time":"06:40","high":true}`, session.DecodeSchema},
		{"another type", `{"time":640,"high":true}`, session.DecodeSchema},
		{"null", `null`, session.DecodeSchema},
		{"an array", `[{"time":"06:40","high":true}]`, session.DecodeSchema},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := slotAnswer[tideOut](t, tc.text)
			if tc.problem == "" {
				if err != nil || got != good {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			var e *session.DecodeError
			if !errors.As(err, &e) || e.Problem != tc.problem || e.Kind != stages.KindGenerativeSlot || e.Name != "f" || got != (tideOut{}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

type weekday struct{}

func (d *weekday) UnmarshalJSON([]byte) error { return errors.New("no day today") }

type bomb struct{}

func (*bomb) UnmarshalJSON([]byte) error { panic("boom") }

type nested struct {
	Items []struct {
		Name  string   `json:"name"`
		Price *float64 `json:"price,omitempty"`
	} `json:"items"`
	At time.Time `json:"at"`
}

// Out may be any type that JSON schema can describe: what is no object comes in one.
func TestSlotTypes(t *testing.T) {
	t.Parallel()
	check := func(name string, err error, got, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v, want %#v", name, got, err, want)
		}
	}
	text, err := slotAnswer[string](t, `{"value":"06:40"}`)
	check("string", err, text, "06:40")
	n, err := slotAnswer[int](t, `{"value":9007199254740993}`)
	check("int", err, n, 9007199254740993)
	list, err := slotAnswer[[]string](t, `{"value":["a","b"]}`)
	check("list", err, list, []string{"a", "b"})
	m, err := slotAnswer[map[string]int](t, `{"a":1}`)
	check("map", err, m, map[string]int{"a": 1})
	p, err := slotAnswer[*tideOut](t, `{"value":null}`)
	check("pointer", err, p, (*tideOut)(nil))
	x, err := slotAnswer[any](t, `{"value":[true]}`)
	check("any", err, x, []any{true})
	none, err := slotAnswer[any](t, `{"value":null}`)
	check("any null", err, none, nil)
	deep, err := slotAnswer[nested](t, `{"items":[{"name":"a"}],"at":"2026-01-02T03:04:05Z"}`)
	if err != nil || deep.Items[0].Name != "a" || deep.At.Hour() != 3 {
		t.Errorf("nested: got %+v, %v", deep, err)
	}
	for name, err := range map[string]error{
		"a bare string":   second(slotAnswer[string](t, `"06:40"`)),
		"300 as int8":     second(slotAnswer[int8](t, `{"value":300}`)),
		"1.5 as int":      second(slotAnswer[int](t, `{"value":1.5}`)),
		"its own decoder": second(slotAnswer[struct{ Day weekday }](t, `{"Day":{}}`)),
	} {
		if e := (*session.DecodeError)(nil); !errors.As(err, &e) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := second(slotAnswer[struct{ B bomb }](t, `{"B":{}}`)); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a decoder that panics: got %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

type knot struct{ Next *knot }

// A type that JSON schema cannot describe, and arguments that JSON cannot hold, are refused before anything is sent.
func TestSlotRefusesTypes(t *testing.T) {
	t.Parallel()
	b := script()
	on := session.On(b, stages.History{})
	for name, err := range map[string]error{
		"a func":      second(slotAnswer[func()](t, "")),
		"a channel":   second(slotAnswer[struct{ C chan int }](t, "")),
		"itself":      second(slotAnswer[knot](t, "")),
		"an argument": second(session.NewSlot[struct{ C chan int }, string]("f", "d").Call(t.Context(), on, struct{ C chan int }{})),
		"a panic":     second(session.NewSlot[json.Marshaler, string]("f", "d").Call(t.Context(), on, mine{})),
		"a transform": second(transformed(t, on)),
	} {
		if !errors.Is(err, session.ErrOption) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(b.requests()) > 0 {
		t.Error("something was sent")
	}
}

type mine struct{}

func (mine) MarshalJSON() ([]byte, error) { panic("boom") }

func transformed(tb testing.TB, on session.Caller) (*session.Result, error) {
	tb.Helper()
	_, res, err := session.Transform(tb.Context(), on, knot{}, "x")
	return res, err
}

// An answer that cannot be decoded is a requirement that is not fulfilled: the model is told why and asked again, and
// error_occurred tells of it once.
func TestSlotRepairsWhatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	for _, form := range componentForms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			rec, p := &recorder{}, stages.NewPipeline(stages.PipelineConfig{})
			if err := rec.register(p); err != nil {
				t.Fatal(err)
			}
			b := script(answer("At 06:40."), answer(`{"time":1,"high":true}`), answer(`{"time":"06:40","high":true}`))
			out, res, err := tideSlot.Result(t.Context(), form.on(t, b, stages.History{}, p), tideIn{Harbour: "north"},
				session.Using(session.TemplateRepair{LoopBudget: 3}))
			if err != nil || !res.Success || out != (tideOut{"06:40", true}) || res.Attempts.Len() != 3 {
				t.Fatalf("got %+v, %+v, %v", out, res, err)
			}
			for i, want := range []string{"it is not JSON", `"integer"`} {
				if got := b.requests()[i+1].Messages().At(0).Text; !strings.Contains(got, want) {
					t.Errorf("repair %d: asked %q, want %q in it", i+1, got, want)
				}
			}
			if n := rec.count("error_occurred"); n != 2 || rec.count("sampling_repair") != 2 {
				t.Errorf("%d faults in %v", n, rec.names())
			}
			f := last[*stages.Fault](t, rec, "error_occurred")
			if f.Failure().Kind != stages.FaultDecode || !f.Failure().Recoverable || f.Where() != "decode" {
				t.Errorf("the fault is %+v", f.Failure())
			}
		})
	}
}

// When no answer can be decoded, the caller gets a typed error without the answer, and nothing is recorded.
func TestSlotGivesUp(t *testing.T) {
	t.Parallel()
	for _, form := range componentForms {
		for _, tc := range []struct {
			name  string
			setup func(*stages.Pipeline) error
			opt   session.InstructOption
			steps []step
			// faults, and whether the component failed or the links behind it
			faults int
			failed bool
		}{
			{"the budget is used up", nil, nil, []step{answer("secret 1"), answer("secret 2"), answer("secret 3")}, 3, true},
			{"the same three times", nil, nil, []step{answer("secret"), answer("secret"), answer("secret")}, 1, true},
			{"the strategy has its own requirements", nil, session.Using(ownRequirements{}), []step{answer("secret 1"), answer("secret 2"), answer("secret 3")}, 3, true},
			{
				"it has, and a link took the requirement away", rewriteIn(ofComponent, func(c *stages.Component) *stages.Component {
					return c.WithRequirements(stages.List[stages.Requirement]{})
				}), session.Using(ownRequirements{}), []step{answer("secret")}, 1, true,
			},
			{
				"a link wrote the answer", rewriteOut(ofComponent, func(c *stages.Component) *stages.Component {
					return c.WithResult(stages.Output{Text: "secret"})
				}), nil, []step{answer(`{"time":"","high":true}`)}, 1, false,
			},
			{
				"a link answered", answering(ofComponent, func(c *stages.Component) *stages.Component {
					return c.Done(stages.ComponentResult{Result: stages.Output{Text: "secret"}, Success: true})
				}), nil, nil, 1, false,
			},
			{
				"a link took the requirement away", rewriteIn(ofComponent, func(c *stages.Component) *stages.Component {
					return c.WithRequirements(stages.List[stages.Requirement]{})
				}), nil, []step{answer("secret")}, 1, true,
			},
		} {
			t.Run(form.name+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				rec, p := &recorder{}, stages.NewPipeline(stages.PipelineConfig{})
				if tc.setup != nil {
					if err := tc.setup(p); err != nil {
						t.Fatal(err)
					}
				}
				if err := rec.register(p); err != nil {
					t.Fatal(err)
				}
				on := form.on(t, script(tc.steps...), stages.History{}, p)
				out, err := tideSlot.Call(t.Context(), on, tideIn{}, tc.opt)
				var e *session.DecodeError
				if !errors.As(err, &e) || e.Name != "tide" || out != (tideOut{}) {
					t.Fatalf("got %+v, %v", out, err)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error has the answer: %v", err)
				}
				if n := rec.count("error_occurred"); n != tc.faults {
					t.Errorf("%d faults, want %d", n, tc.faults)
				}
				if f := last[*stages.Fault](t, rec, "error_occurred"); f.Failure().Kind != stages.FaultDecode {
					t.Errorf("the fault is %+v", f.Failure())
				}
				if (rec.count("component_post_error") == 1) != tc.failed || (rec.count("component_post_success") == 0) != tc.failed {
					t.Errorf("got %v", rec.names())
				}
				if rec.count("context_update") != 0 {
					t.Error("the history has grown")
				}
			})
		}
	}
}

type ownRequirements struct{ session.RejectionSampling }

func (ownRequirements) Budget() int                        { return 3 }
func (ownRequirements) Requirements() []stages.Requirement { return nil }

// A value that does not fulfil the requirements is an error of Call, which has nothing else to tell it by, and none of Result.
func TestSlotUnfulfilled(t *testing.T) {
	t.Parallel()
	b := script(answer(`{"value":"a"}`), answer(`{"value":"a"}`))
	on := session.On(b, stages.History{})
	f := session.NewSlot[string, string]("f", "Say it.")
	opts := []session.InstructOption{session.Require(mentions("b")), session.LoopBudget(1)}
	if out, err := f.Call(t.Context(), on, "x", opts...); !errors.Is(err, session.ErrUnfulfilled) || out != "" {
		t.Errorf("Call got %q, %v", out, err)
	}
	if out, res, err := f.Result(t.Context(), on, "x", opts...); err != nil || out != "a" || res.Success {
		t.Errorf("Result got %q, %+v, %v", out, res, err)
	}
	want := "Say it.\n\nArgument input:\nx\n\nRequirements:\n- Mention b"
	if got := b.requests()[0].Messages().At(0).Text; got != want {
		t.Errorf("asked %q", got)
	}
}

// Hooks see the arguments as variables, and what they write is what the model reads.
func TestSlotArgumentsAreVariables(t *testing.T) {
	t.Parallel()
	b, p := script(answer(`{"time":"06:40","high":true}`)), stages.NewPipeline(stages.PipelineConfig{})
	use(t, p.Create, chain.Before("hide", func(_ context.Context, c *stages.Create) (*stages.Create, error) {
		return c.WithVariables(c.Variables().With("harbour", "[harbour]")), nil
	}))
	if _, err := tideSlot.Call(t.Context(), session.On(b, stages.History{}, session.WithPipeline(p)), tideIn{Harbour: "secret"}); err != nil {
		t.Fatal(err)
	}
	want := "When is high water in [harbour]?\n\nArgument harbour:\n[harbour]\n\nArgument days:\nnull"
	if got := b.requests()[0].Messages().At(0).Text; got != want {
		t.Errorf("asked %q", got)
	}
}

// A struct with a form of its own in JSON, and a pointer to one, are arguments too.
func TestSlotArguments(t *testing.T) {
	t.Parallel()
	ask := func(call func(on session.Caller) error) string {
		t.Helper()
		b := script(answer(`{"value":""}`))
		if err := call(session.On(b, stages.History{})); err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(b.requests()[0].Messages().At(0).Text, "d\n\n")
	}
	got := []string{
		ask(func(on session.Caller) error {
			return second(session.NewSlot[time.Time, string]("", "d").Call(t.Context(), on, time.Unix(0, 0).UTC()))
		}),
		ask(func(on session.Caller) error {
			return second(session.NewSlot[*tideOut, string]("", "d").Call(t.Context(), on, &tideOut{"<b>", true}))
		}),
		ask(func(on session.Caller) error {
			return second(session.NewSlot[*tideOut, string]("", "d").Call(t.Context(), on, nil))
		}),
		ask(func(on session.Caller) error {
			return second(session.NewSlot[[]int, string]("", "d").Call(t.Context(), on, []int{1}))
		}),
		ask(func(on session.Caller) error {
			return second(session.NewSlot[struct{}, string]("", "d").Call(t.Context(), on, struct{}{}))
		}),
	}
	want := []string{
		`Argument input:` + "\n" + `"1970-01-01T00:00:00Z"`, "Argument time:\n<b>\n\nArgument high:\ntrue", "Argument input:\nnull",
		"Argument input:\n[\n  1\n]", "d",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A strategy with requirements of its own repairs what cannot be decoded too.
func TestSlotWithRequirementsOfTheStrategy(t *testing.T) {
	t.Parallel()
	for _, form := range componentForms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			rec, p := &recorder{}, stages.NewPipeline(stages.PipelineConfig{})
			if err := rec.register(p); err != nil {
				t.Fatal(err)
			}
			on := form.on(t, script(answer("secret"), answer(`{"time":"06:40","high":true}`), answer(`{"time":"sure","high":true}`)), stages.History{}, p)
			out, err := tideSlot.Call(t.Context(), on, tideIn{}, session.Using(demanding{session.MultiTurn{LoopBudget: 3}}), session.Require(mentions("nothing")))
			if err != nil || out.Time != "sure" {
				t.Errorf("got %+v, %v", out, err)
			}
			if q := last[*stages.Sampling](t, rec, "sampling_loop_start").Requirements(); q.Len() != 2 || q.At(0).Description != "Mention sure" || q.At(1).Name != "decode" {
				t.Errorf("the requirements are %v", q)
			}
		})
	}
}
