package audit_test

import (
	"context"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/stages"
)

func conforms[P any](t *testing.T, observe func(*audit.Plugin) func(context.Context, chain.Outcome[P]), payload func() P) {
	t.Helper()
	p := newPlugin(t, audit.Settings{Sink: &memory{}, Redact: redact})
	chaintest.Run(t, chain.Observe("audit_log", observe(p), chain.Timed()), chaintest.Payload(payload))
	if p.Stats().Written == 0 {
		t.Error("nothing was recorded")
	}
}

func TestConformance(t *testing.T) {
	m := stages.Meta{RequestID: "r", CorrelationID: "c"}
	t.Run("session", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Session]) { return p.ObserveSession },
			func() *stages.Session { return stages.NewSession(m, stages.SessionFields{}) })
	})
	t.Run("reset", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Reset]) { return p.ObserveReset },
			func() *stages.Reset { return stages.NewReset(m, stages.ResetFields{}) })
	})
	t.Run("cleanup", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Cleanup]) { return p.ObserveCleanup },
			func() *stages.Cleanup { return stages.NewCleanup(m, stages.CleanupFields{}) })
	})
	t.Run("create", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Create]) { return p.ObserveCreate },
			func() *stages.Create { return stages.NewCreate(m, stages.CreateFields{}) })
	})
	t.Run("component", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Component]) {
			return p.ObserveComponent
		},
			func() *stages.Component { return stages.NewComponent(m, stages.ComponentFields{}) })
	})
	t.Run("generation", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Generation]) {
			return p.ObserveGeneration
		},
			func() *stages.Generation { return stages.NewGeneration(m, stages.GenerationFields{}) })
	})
	t.Run("chunk", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Chunk]) { return p.ObserveChunk },
			func() *stages.Chunk { return stages.NewChunk(m, stages.ChunkFields{}) })
	})
	t.Run("stream", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.StreamEvent]) {
			return p.ObserveStream
		},
			func() *stages.StreamEvent {
				return stages.NewStreamEvent(m, stages.StreamEventFields{Phase: stages.StreamStart})
			})
	})
	t.Run("validation", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Validation]) {
			return p.ObserveValidation
		},
			func() *stages.Validation { return stages.NewValidation(m, stages.ValidationFields{}) })
	})
	t.Run("sampling", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Sampling]) { return p.ObserveSampling },
			func() *stages.Sampling { return stages.NewSampling(m, stages.SamplingFields{}) })
	})
	t.Run("iteration", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Iteration]) {
			return p.ObserveIteration
		},
			func() *stages.Iteration { return stages.NewIteration(m, stages.IterationFields{}) })
	})
	t.Run("repair", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Repair]) { return p.ObserveRepair },
			func() *stages.Repair { return stages.NewRepair(m, stages.RepairFields{}) })
	})
	t.Run("tool", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Tool]) { return p.ObserveTool },
			func() *stages.Tool { return stages.NewTool(m, stages.ToolFields{}) })
	})
	t.Run("adapter_load", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Adapter]) {
			return p.ObserveAdapterLoad
		},
			func() *stages.Adapter { return stages.NewAdapter(m, stages.AdapterFields{}) })
	})
	t.Run("adapter_unload", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Adapter]) {
			return p.ObserveAdapterUnload
		},
			func() *stages.Adapter { return stages.NewAdapter(m, stages.AdapterFields{}) })
	})
	t.Run("history_change", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.HistoryChange]) {
			return p.ObserveHistoryChange
		},
			func() *stages.HistoryChange { return stages.NewHistoryChange(m, stages.HistoryChangeFields{}) })
	})
	t.Run("fault", func(t *testing.T) {
		conforms(t, func(p *audit.Plugin) func(context.Context, chain.Outcome[*stages.Fault]) { return p.ObserveFault },
			func() *stages.Fault { return stages.NewFault(m, stages.FaultFields{}) })
	})
}

// Every row of the table of hook points is one that records name, with the contents that it has.
func TestHooksAreKnown(t *testing.T) {
	m := &memory{}
	p := stages.NewPipeline(stages.PipelineConfig{})
	if _, err := p.Register(t.Context(), newPlugin(t, audit.Settings{Sink: m, Redact: redact})); err != nil {
		t.Fatal(err)
	}
	a := stages.NewAdapter(stages.Meta{}, stages.AdapterFields{Name: secret})
	done := func(_ context.Context, a *stages.Adapter) (*stages.Adapter, error) {
		return a.Done(stages.AdapterResult{}), nil
	}
	for _, c := range []*chain.Chain[*stages.Adapter]{p.AdapterLoad, p.AdapterUnload} {
		if _, err := c.Then(done)(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	for _, r := range m.records {
		got += r.Hook + " " + string(r.Contents) + "\n"
	}
	want := `adapter_post_load {"fields":{"name":"[x]","settings":{},"backend":""},"result":{"duration":0}}
adapter_post_unload {"fields":{"name":"[x]","settings":{},"backend":""},"result":{"duration":0}}
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
