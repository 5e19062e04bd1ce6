package stages

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

func TestHookPoints(t *testing.T) {
	pipeline := reflect.TypeFor[Pipeline]()
	chains := map[string]reflect.Type{} // payload by chain
	for i, c := range NewPipeline(PipelineConfig{}).chains() {
		f := pipeline.Field(i)
		if snake(f.Name) != c.Name() {
			t.Errorf("Pipeline.%s is called %q", f.Name, c.Name())
		}
		use, _ := f.Type.MethodByName("Then")
		chains[c.Name()] = use.Type.In(1).In(1)
	}
	seen, used := map[string]bool{}, map[string]bool{}
	for _, h := range HookPoints() {
		t.Run(h.Name, func(t *testing.T) {
			if seen[h.Name] {
				t.Error("twice in the table")
			}
			seen[h.Name], used[h.Chain] = true, true
			payload := chains[h.Chain]
			if payload == nil || payload.Elem().Name() != h.Payload {
				t.Fatalf("payload %s, but the chain %s has %v", h.Payload, h.Chain, payload)
			}
			if h.When == "" || h.Block == "" || len(h.Carries) == 0 {
				t.Errorf("incomplete: %+v", h)
			}
			if h.NeverBlocks != strings.HasPrefix(h.Block, "never blocks") {
				t.Errorf("never blocks: %v, but a block: %s", h.NeverBlocks, h.Block)
			}
			for _, w := range h.Writable {
				if !slices.Contains(h.Carries, w) || slices.Contains(h.Derived, w) {
					t.Errorf("%s is writable but not carried, or derived", w)
				}
			}
			for _, d := range h.Carries {
				if !hasMethod(payload, d) {
					t.Errorf("no getter for %s", d)
				}
			}
			if got, ok := LookupHook(h.Name); !ok || !reflect.DeepEqual(got, h) {
				t.Errorf("LookupHook gives %+v, %v", got, ok)
			}
			if h.Position == chain.KindObserve && (!h.NeverBlocks || h.Writable != nil) {
				t.Error("a report can be blocked or changed")
			}
		})
	}
	if len(seen) != 31 || len(used) != len(chains) {
		t.Errorf("%d hook points in %d chains, want 31 in %d", len(seen), len(used), len(chains))
	}
	if _, ok := LookupHook("generation_pre_cal"); ok {
		t.Error("found a hook that is not there")
	}
	HookPoints()[0].Writable[0] = "changed"
	if h, _ := LookupHook("session_pre_init"); h.Writable[0] != "backend_name" {
		t.Error("the table can be changed from outside")
	}
}

// hasMethod looks for a getter, of the payload or of the output that it carries.
func hasMethod(payload reflect.Type, field string) bool {
	for m := range payload.Methods() {
		if snake(m.Name) == field {
			return true
		}
	}
	for name, f := range outputFields {
		if f == field && payload == reflect.TypeFor[*Generation]() {
			_, ok := reflect.TypeFor[Output]().FieldByName(name)
			return ok
		}
	}
	return false
}

func TestWritersAndTableAgree(t *testing.T) {
	writable := map[string]map[string]bool{}
	for _, h := range HookPoints() {
		if writable[h.Payload] == nil {
			writable[h.Payload] = map[string]bool{}
		}
		for _, w := range h.Writable {
			writable[h.Payload][w] = true
		}
	}
	for _, p := range payloads() {
		typ := reflect.TypeOf(p)
		t.Run(typ.Elem().Name(), func(t *testing.T) {
			want := writable[typ.Elem().Name()]
			for m := range typ.Methods() {
				name, ok := strings.CutPrefix(m.Name, "With")
				if !ok {
					continue
				}
				if !want[snake(name)] {
					t.Errorf("%s writes what no hook point may write", m.Name)
				}
				delete(want, snake(name))
			}
			for w := range want {
				t.Errorf("%s is writable and has no method With...", w)
			}
		})
	}
}

func TestWriters(t *testing.T) {
	for _, p := range payloads() {
		v := reflect.ValueOf(p)
		for m, method := range v.Methods() {
			if !strings.HasPrefix(m.Name, "With") {
				continue
			}
			t.Run(v.Type().Elem().Name()+"."+m.Name+" writes its field", func(t *testing.T) {
				arg := reflect.New(m.Type.In(1)).Elem()
				if m.Type.In(1).Kind() != reflect.Bool { // the example has true
					(&filler{n: 5000}).fill(arg)
				}
				out := method.Call([]reflect.Value{arg})[0]
				var got reflect.Value
				if get := out.MethodByName(m.Name[len("With"):]); get.IsValid() {
					got = get.Call(nil)[0]
				} else {
					got = out.MethodByName("Output").Call(nil)[0].FieldByName(m.Name[len("With"):])
				}
				if dump(got) != dump(arg) {
					t.Errorf("wrote %s, read %s", dump(arg), dump(got))
				}
			})
		}
	}
}

func TestPoliciesCompareEveryField(t *testing.T) {
	for _, s := range allStages {
		t.Run(s.name(), func(t *testing.T) {
			compared, made := s.fields()
			compared = append(compared, "meta")
			if s.name() == "component" {
				made = append(made, "failure") // written by Failed, for OnError hooks
			}
			slices.Sort(compared)
			slices.Sort(made)
			if !slices.Equal(compared, made) {
				t.Errorf("the policy compares %v\nof a payload made of %v", compared, made)
			}
		})
	}
}

func TestEventsNameTheirHook(t *testing.T) {
	for _, tc := range []struct {
		name string
		p    interface{ Hook() string }
		want string
	}{
		{"a stream begins", NewStreamEvent(Meta{}, StreamEventFields{Phase: StreamStart}), "streaming_start"},
		{"a stream goes on", NewStreamEvent(Meta{}, StreamEventFields{Phase: StreamAt}), "streaming_event"},
		{"a stream ends", NewStreamEvent(Meta{}, StreamEventFields{Phase: StreamEnd}), "streaming_end"},
		{"a history grows", NewHistoryChange(Meta{}, HistoryChangeFields{Kind: ChangeAppend}), "context_update"},
		{"a history is forgotten", NewHistoryChange(Meta{}, HistoryChangeFields{Kind: ChangeReset}), "context_update"},
		{"a history is cut", NewHistoryChange(Meta{}, HistoryChangeFields{Kind: ChangePrune}), "context_prune"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, ok := LookupHook(tc.want); !ok || tc.p.Hook() != tc.want {
				t.Errorf("got %q, want %q", tc.p.Hook(), tc.want)
			}
		})
	}
}
