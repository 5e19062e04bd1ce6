package scenario

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/stack"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// realistic is an instruction with a prompt of 2 KB through the plugins of a program in production, each alone and all together. Each
// call asks something else, so that the cache never has the answer; the audit writes to nowhere.
func realistic() Scenario {
	s := Scenario{Name: "realistic", Doc: "an instruction with a prompt of 2 KB: without plugins, with each of six, with all; the cache misses, the audit's writer discards"}
	add := func(name string, plugins ...string) {
		s.Cells = append(s.Cells, Cell{Peer: name, Links: len(plugins), Build: func() measure.Work { return production(plugins) }})
	}
	add("no plugins")
	for _, name := range stack.Names {
		add(name, name)
	}
	add("all", stack.Names...)
	return s
}

func production(names []string) measure.Work {
	w, _ := inProduction(names)
	return w
}

func inProduction(names []string) (measure.Work, stack.Stack) {
	st := must(stack.New(audit.ToWriter(io.Discard)))
	p := stages.NewPipeline(stages.PipelineConfig{})
	ctx := context.Background()
	for _, name := range names {
		must(p.Register(ctx, st.Plugins(name)...))
		if name == "profiler" {
			p.WithTracer(st.Tracer())
		}
	}
	model := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: stack.Answer, FinishReason: stages.FinishStop}}), nil
	})
	s := must(session.Start(ctx, session.WithPipeline(p), session.WithBackend(model), session.WithUser("u-1"), session.WithModel(stack.Model),
		session.WithHistoryKind(stages.HistorySingle)))
	var n atomic.Int64
	return measure.Work{
		MaxCalls: turns,
		Before: func() {
			if err := s.Reset(ctx, "a new sample"); err != nil {
				panic(err)
			}
		},
		Handler: func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			_, err := s.Instruct(ctx, stack.Prompt(int(n.Add(1))))
			return p, err
		},
	}, st
}
