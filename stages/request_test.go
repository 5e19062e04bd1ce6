package stages

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
)

func begin(ctx context.Context, t *testing.T, i Info) context.Context {
	t.Helper()
	ctx, err := NewContext(ctx, i)
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

func TestFromOutsideOfARequest(t *testing.T) {
	r := From(t.Context())
	if r.ID() != "" || r.ParentID() != "" || r.RootID() != "" || r.Depth() != 0 || r.Backend() != (Backend{}) || r.History().Len != 0 {
		t.Errorf("got %+v", r)
	}
	r.Logger().Info("nobody hears this")
	r.State().Store("key", 1)
	if v := r.State().Update("key", func(old any) any { return old }); v != nil {
		t.Errorf("state outside of a request keeps %v", v)
	}
	if v, ok := r.State().Load("key"); ok {
		t.Errorf("state outside of a request keeps %v", v)
	}
	if _, err := r.Generate(t.Context(), nil, ModelOptions{}); !errors.Is(err, ErrNoGenerator) {
		t.Errorf("Generate: %v", err)
	}
}

func TestFromInARequest(t *testing.T) {
	type otherKey struct{}
	log := zap.NewExample()
	h := NewHistory(Message{Role: RoleUser, Text: "ask"}, Message{Role: RoleAssistant, Text: "say"})
	ctx := begin(t.Context(), t, Info{RequestID: "r1", Backend: Backend{Name: "b", Model: "m", Capabilities: Capabilities{Tools: true}}, History: h, Logger: log})
	r := From(context.WithValue(ctx, otherKey{}, 1))
	if r.ID() != "r1" || r.Depth() != 1 || r.ParentID() != "" || r.RootID() != "r1" || r.Logger() != log || !r.Backend().Capabilities.Tools {
		t.Errorf("got %+v", r)
	}
	if s := r.History(); s.Len != 2 || s.LastTurn.Input.Text != "ask" || s.LastTurn.Output.Text != "say" || s.Tokens != h.Tokens() {
		t.Errorf("history %+v", s)
	}
	if From(begin(t.Context(), t, Info{})).Logger() == nil {
		t.Error("no logger")
	}
	innerCtx := begin(ctx, t, Info{RequestID: "r2"})
	inner := From(innerCtx)
	if inner.ParentID() != "r1" || inner.RootID() != "r1" || inner.Depth() != 2 || inner.State() == r.State() {
		t.Errorf("nested: %+v", inner)
	}
	if r := From(begin(innerCtx, t, Info{RequestID: "r3"})); r.ParentID() != "r2" || r.RootID() != "r1" || r.Depth() != 3 {
		t.Errorf("nested twice: %+v", r)
	}
	if _, err := r.Generate(ctx, nil, ModelOptions{}); !errors.Is(err, ErrNoGenerator) {
		t.Errorf("Generate without a model: %v", err)
	}
}

func TestState(t *testing.T) {
	type key struct{}
	s := From(begin(t.Context(), t, Info{})).State()
	if _, ok := s.Load(key{}); ok {
		t.Error("a new state has a value")
	}
	s.Store("a", 1)
	if v, ok := s.Load("a"); !ok || v != 1 {
		t.Errorf("got %v, %v", v, ok)
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			s.Update(key{}, func(old any) any {
				n, _ := old.(int)
				return n + 1
			})
		})
	}
	wg.Wait()
	if v, _ := s.Load(key{}); v != 64 {
		t.Errorf("64 updates count to %v", v)
	}
}

// runtime calls a model the way a runtime does: a request of its own, with a hook that calls the model again.
type runtime struct {
	call    chain.Handler[*Generation]
	info    Info
	parents []string
}

func (r *runtime) generate(ctx context.Context, messages []Message, _ ModelOptions) (Output, error) {
	if len(r.parents) > 2*DefaultDepth {
		return Output{}, errors.New("this would go on for ever")
	}
	i := r.info
	i.RequestID, i.Generate = From(ctx).ID()+"+", r.generate
	ctx, err := NewContext(ctx, i)
	if err != nil {
		return Output{}, err
	}
	r.parents = append(r.parents, From(ctx).ParentID())
	g, err := r.call(ctx, NewGeneration(Meta{RequestID: i.RequestID}, GenerationFields{Messages: ListOf(messages...)}))
	if err != nil {
		return Output{}, err
	}
	return g.Output(), nil
}

func TestNestedCalls(t *testing.T) {
	type hook = func(ctx context.Context, r *runtime, g *Generation) (*Generation, error)
	for _, tc := range []struct {
		name  string
		depth int
		hook  hook
		calls int
	}{
		{"behaviour 27: a hook that calls the model from every request is cut off", 0, func(ctx context.Context, _ *runtime, g *Generation) (*Generation, error) {
			_, err := From(ctx).Generate(ctx, nil, ModelOptions{})
			return g, err
		}, DefaultDepth},
		{"behaviour 27: so it is by a limit of the user's", 3, func(ctx context.Context, _ *runtime, g *Generation) (*Generation, error) {
			_, err := From(ctx).Generate(ctx, nil, ModelOptions{})
			return g, err
		}, 3},
		{"behaviour 27: so it is with a context that lost its request", 3, func(ctx context.Context, _ *runtime, g *Generation) (*Generation, error) {
			_, err := From(ctx).Generate(context.Background(), nil, ModelOptions{})
			return g, err
		}, 3},
		{"behaviour 27: so it is when the hook goes to the runtime itself", 3, func(ctx context.Context, r *runtime, g *Generation) (*Generation, error) {
			_, err := r.generate(ctx, nil, ModelOptions{})
			return g, err
		}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := NewPipeline(PipelineConfig{})
			r := &runtime{call: p.Generation.Then(answer("x")), info: Info{Depth: tc.depth}}
			if _, err := p.Generation.Use(chain.Before("nested", func(ctx context.Context, g *Generation) (*Generation, error) {
				return tc.hook(ctx, r, g)
			})); err != nil {
				t.Fatal(err)
			}
			_, err := r.generate(t.Context(), nil, ModelOptions{})
			if !errors.Is(err, ErrTooDeep) {
				t.Errorf("error %v", err)
			}
			if len(r.parents) != tc.calls {
				t.Fatalf("%d requests, want %d", len(r.parents), tc.calls)
			}
			for i, parent := range r.parents[1:] {
				if want := "+++++++++"[:i+1]; parent != want {
					t.Errorf("request %d has the parent %q, want %q", i+2, parent, want)
				}
			}
		})
	}
	t.Run("an inner request cannot raise the limit", func(t *testing.T) {
		ctx := begin(t.Context(), t, Info{Depth: 2})
		ctx = begin(ctx, t, Info{Depth: 100})
		if _, err := NewContext(ctx, Info{RequestID: "r3"}); !errors.Is(err, ErrTooDeep) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an outer request called with an inner context counts from the inner one", func(t *testing.T) {
		outerCtx := begin(t.Context(), t, Info{RequestID: "outer", Generate: func(ctx context.Context, _ []Message, _ ModelOptions) (Output, error) {
			return Output{Text: From(ctx).ID()}, nil
		}})
		inner := begin(outerCtx, t, Info{RequestID: "inner"})
		if out, err := From(outerCtx).Generate(inner, nil, ModelOptions{}); err != nil || out.Text != "inner" {
			t.Errorf("the parent is %q, error %v", out.Text, err)
		}
	})
}
