package stages

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
)

// stage runs the tests of one stage, whatever its types are.
type stage interface {
	name() string
	testRewrites(t *testing.T, h HookPoint)
	testBlocks(t *testing.T, h HookPoint)
	testNothing(t *testing.T)
	testTracer(t *testing.T)
	fields() (compared, made []string)
}

// stageOf is a stage with the payload S, its fields F and its result R.
type stageOf[S, F, R any] struct {
	chain func(*Pipeline) *chain.Chain[*S]
	fresh func(Meta, F) *S
	done  func(*S, R) *S // nil for a payload without a result
	s     spec[S]
}

var allStages = []stage{
	stageOf[Session, SessionFields, SessionResult]{func(p *Pipeline) *chain.Chain[*Session] { return p.Session }, NewSession, (*Session).Done, sessionSpec},
	stageOf[Reset, ResetFields, struct{}]{func(p *Pipeline) *chain.Chain[*Reset] { return p.Reset }, NewReset, nil, resetSpec},
	stageOf[Cleanup, CleanupFields, struct{}]{func(p *Pipeline) *chain.Chain[*Cleanup] { return p.Cleanup }, NewCleanup, nil, cleanupSpec},
	stageOf[Create, CreateFields, CreateResult]{func(p *Pipeline) *chain.Chain[*Create] { return p.Create }, NewCreate, (*Create).Done, createSpec},
	stageOf[Component, ComponentFields, ComponentResult]{func(p *Pipeline) *chain.Chain[*Component] { return p.Component }, NewComponent, (*Component).Done, componentSpec},
	stageOf[Generation, GenerationFields, GenerationResult]{func(p *Pipeline) *chain.Chain[*Generation] { return p.Generation }, NewGeneration, (*Generation).Done, generationSpec},
	stageOf[Chunk, ChunkFields, struct{}]{func(p *Pipeline) *chain.Chain[*Chunk] { return p.Chunk }, NewChunk, nil, chunkSpec},
	stageOf[StreamEvent, StreamEventFields, struct{}]{func(p *Pipeline) *chain.Chain[*StreamEvent] { return p.Stream }, NewStreamEvent, nil, streamEventSpec},
	stageOf[Validation, ValidationFields, ValidationResult]{func(p *Pipeline) *chain.Chain[*Validation] { return p.Validation }, NewValidation, (*Validation).Done, validationSpec},
	stageOf[Sampling, SamplingFields, SamplingResult]{func(p *Pipeline) *chain.Chain[*Sampling] { return p.Sampling }, NewSampling, (*Sampling).Done, samplingSpec},
	stageOf[Iteration, IterationFields, struct{}]{func(p *Pipeline) *chain.Chain[*Iteration] { return p.Iteration }, NewIteration, nil, iterationSpec},
	stageOf[Repair, RepairFields, struct{}]{func(p *Pipeline) *chain.Chain[*Repair] { return p.Repair }, NewRepair, nil, repairSpec},
	stageOf[Tool, ToolFields, ToolResult]{func(p *Pipeline) *chain.Chain[*Tool] { return p.Tool }, NewTool, (*Tool).Done, toolSpec},
	stageOf[Adapter, AdapterFields, AdapterResult]{func(p *Pipeline) *chain.Chain[*Adapter] { return p.AdapterLoad }, NewAdapter, (*Adapter).Done, adapterSpec},
	stageOf[Adapter, AdapterFields, AdapterResult]{func(p *Pipeline) *chain.Chain[*Adapter] { return p.AdapterUnload }, NewAdapter, (*Adapter).Done, adapterSpec},
	stageOf[HistoryChange, HistoryChangeFields, struct{}]{func(p *Pipeline) *chain.Chain[*HistoryChange] { return p.HistoryChange }, NewHistoryChange, nil, historyChangeSpec},
	stageOf[Fault, FaultFields, struct{}]{func(p *Pipeline) *chain.Chain[*Fault] { return p.Fault }, NewFault, nil, faultSpec},
}

func (s stageOf[S, F, R]) name() string { return s.chain(NewPipeline(PipelineConfig{})).Name() }

// fields are the names of the fields that the policy compares, and of those that a payload is made of.
func (s stageOf[S, F, R]) fields() (compared, made []string) {
	for _, f := range slices.Concat(s.s.in, s.s.out) {
		if !f.derived() {
			compared = append(compared, f.name)
		}
	}
	_, changes := s.changes(s.done != nil)
	for _, c := range changes {
		made = append(made, c.field)
	}
	return compared, made
}

// stageFor finds the stage of a hook point.
func stageFor(t *testing.T, h HookPoint) stage {
	t.Helper()
	i := slices.IndexFunc(allStages, func(s stage) bool { return s.name() == h.Chain })
	if i < 0 {
		t.Fatalf("no stage is called %q", h.Chain)
	}
	return allStages[i]
}

func TestRewrites(t *testing.T) {
	for _, h := range HookPoints() {
		t.Run("behaviour 34: only writable fields survive at "+h.Name, func(t *testing.T) { stageFor(t, h).testRewrites(t, h) })
	}
}

func TestBlocks(t *testing.T) {
	for _, h := range HookPoints() {
		t.Run("what a block does at "+h.Name, func(t *testing.T) { stageFor(t, h).testBlocks(t, h) })
	}
}

func TestNothingRegistered(t *testing.T) {
	for _, s := range allStages {
		t.Run("behaviour 36: the same pointer comes back from "+s.name(), s.testNothing)
	}
}

// change is a payload that differs from the example in one field.
type change[S any] struct {
	field string
	p     *S
}

// changes makes an example and, for each field on its own, a payload that a link could propose instead.
func (s stageOf[S, F, R]) changes(result bool) (example *S, out []change[S]) {
	f := &filler{}
	meta, fields, res := filled[Meta](f), filled[F](f), filled[R](f)
	build := func(m Meta, fields F, res R) *S {
		p := s.fresh(m, fields)
		if result {
			p = s.done(p, res)
		}
		return p
	}
	other := filled[Meta](f)
	out = append(out, change[S]{"meta", build(other, fields, res)})
	each := func(v reflect.Value, proposal func() *S) {
		for i := range v.NumField() {
			name := snake(v.Type().Field(i).Name)
			old := reflect.New(v.Field(i).Type()).Elem()
			old.Set(v.Field(i))
			if v.Type() == reflect.TypeFor[GenerationResult]() && name == "output" { // several fields to a plugin
				for j := range v.Field(i).NumField() {
					inner := v.Field(i).Field(j)
					refill(f, inner)
					out = append(out, change[S]{outputFields[v.Field(i).Type().Field(j).Name], proposal()})
					v.Field(i).Set(old)
				}
				continue
			}
			refill(f, v.Field(i))
			out = append(out, change[S]{name, proposal()})
			v.Field(i).Set(old)
		}
	}
	changed := fields
	each(reflect.ValueOf(&changed).Elem(), func() *S { return build(meta, changed, res) })
	if result {
		changed := res
		each(reflect.ValueOf(&changed).Elem(), func() *S { return build(meta, fields, changed) })
	}
	return build(meta, fields, res), out
}

var outputFields = map[string]string{
	"Text": "text", "ToolCalls": "tool_calls", "FinishReason": "finish_reason", "Usage": "usage", "Raw": "raw", "Model": "answering_model",
}

// refill puts something else into v.
func refill(f *filler, v reflect.Value) {
	if v.Kind() == reflect.Bool {
		v.SetBool(!v.Bool())
		return
	}
	f.fill(v)
}

// run sends a payload through a chain with one link at the hook point, and returns what comes out and what was logged.
func (s stageOf[S, F, R]) run(t *testing.T, h HookPoint, in, result *S, link func(context.Context, *S) (*S, error)) (*S, []observer.LoggedEntry, error) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	c := s.chain(NewPipeline(PipelineConfig{Logger: zap.New(core)}))
	l := chain.Before("link", link)
	if h.Position != chain.KindBefore {
		l = chain.After("link", link)
	}
	if _, err := c.Use(l); err != nil {
		t.Fatal(err)
	}
	var got *S
	out, err := c.Then(func(_ context.Context, p *S) (*S, error) {
		got = p
		return result, nil
	})(t.Context(), in)
	if h.Position == chain.KindBefore {
		return got, logs.All(), err
	}
	return out, logs.All(), err
}

func (s stageOf[S, F, R]) testRewrites(t *testing.T, h HookPoint) {
	t.Helper()
	result := h.Position == chain.KindAfter && s.done != nil
	example, changes := s.changes(result)
	names := map[string]bool{}
	for _, c := range changes {
		if names[c.field] {
			t.Errorf("two fields are called %s", c.field)
		}
		names[c.field] = true
		t.Run(c.field, func(t *testing.T) {
			out, logs, err := s.run(t, h, example, example, func(context.Context, *S) (*S, error) { return c.p, nil })
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(h.Writable, c.field) {
				if out != c.p {
					t.Errorf("the rewrite did not arrive as proposed; logged: %v", logs)
				}
				return
			}
			if dump(reflect.ValueOf(out)) != dump(reflect.ValueOf(example)) {
				t.Error("the rewrite changed the payload")
			}
			if len(logs) != 1 || !slices.Equal(strs(logs[0].ContextMap()["fields"]), []string{c.field}) {
				t.Errorf("logged %v, want one entry for %s", logs, c.field)
			}
		})
	}
	for _, w := range h.Writable {
		if !names[w] {
			t.Errorf("the writable field %s is no field of the payload", w)
		}
	}
	t.Run("all at once", func(t *testing.T) {
		f := &filler{n: 500}
		proposed := s.fresh(filled[Meta](f), filled[F](f))
		if result {
			proposed = s.done(proposed, filled[R](f))
		}
		out, logs, err := s.run(t, h, example, example, func(context.Context, *S) (*S, error) { return proposed, nil })
		if err != nil || len(logs) != 1 {
			t.Fatalf("error %v, logged %v", err, logs)
		}
		discarded := strs(logs[0].ContextMap()["fields"])
		for _, w := range h.Writable {
			if slices.Contains(discarded, w) {
				t.Errorf("%s is writable and was discarded", w)
			}
		}
		for _, r := range s.s.in {
			s.checkField(t, r, slices.Contains(h.Writable, r.name), out, proposed, example)
		}
		for _, r := range s.s.out {
			s.checkField(t, r, slices.Contains(h.Writable, r.name), out, proposed, example)
		}
	})
}

// checkField says whether a field is the proposed one where it is writable, else the old one.
func (s stageOf[S, F, R]) checkField(t *testing.T, f field[S], writable bool, out, proposed, old *S) {
	t.Helper()
	want := old
	if writable {
		want = proposed
	}
	if !f.derived() && !f.same(out, want) {
		t.Errorf("%s (writable: %v) is not as it should be", f.name, writable)
	}
}

func (s stageOf[S, F, R]) testBlocks(t *testing.T, h HookPoint) {
	t.Helper()
	if h.Position == chain.KindOnError {
		if h.Writable != nil {
			t.Error("an error cannot be changed any more")
		}
		return
	}
	example, _ := s.changes(false)
	positions := []chain.Kind{h.Position}
	if h.Position == chain.KindObserve {
		positions = []chain.Kind{chain.KindBefore, chain.KindAfter}
	}
	for _, pos := range positions {
		h := h
		h.Position = pos
		_, logs, err := s.run(t, h, example, example, func(context.Context, *S) (*S, error) { return nil, chain.Block("no") })
		var v *chain.Violation
		switch {
		case h.NeverBlocks && (err != nil || len(logs) != 1 || logs[0].Message != "would block"):
			t.Errorf("%s: error %v, logged %v; want a record only", pos, err, logs)
		case !h.NeverBlocks && !errors.As(err, &v):
			t.Errorf("%s: error %v, want a violation", pos, err)
		}
		_, _, err = s.run(t, h, example, example, func(context.Context, *S) (*S, error) { return nil, errors.New("broken") })
		if h.NeverBlocks != (err == nil) {
			t.Errorf("%s: a failing link gives %v", pos, err)
		}
	}
}

func (s stageOf[S, F, R]) testNothing(t *testing.T) {
	t.Helper()
	example, _ := s.changes(false)
	p := NewPipeline(PipelineConfig{})
	call := s.chain(p).Then(Unchanged[*S])
	if out, err := call(t.Context(), example); out != example || err != nil {
		t.Errorf("got %p, %v, want %p", out, err, example)
	}
	if _, err := s.chain(p).Use(chain.Before("look", Unchanged[*S]), chain.After("look too", Unchanged[*S])); err != nil {
		t.Fatal(err)
	}
	if out, err := call(t.Context(), example); out != example || err != nil {
		t.Errorf("with links that change nothing: got %p, %v, want %p", out, err, example)
	}
}

func strs(v any) (out []string) {
	items, _ := v.([]any)
	for _, x := range items {
		s, _ := x.(string)
		out = append(out, s)
	}
	return out
}

// snake turns a Go name into a field's name.
func snake(name string) string {
	if name == "Err" {
		return "error"
	}
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
