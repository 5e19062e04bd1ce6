package audit

import (
	"context"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

var (
	_ stages.ObserveSession       = (*Plugin)(nil)
	_ stages.ObserveReset         = (*Plugin)(nil)
	_ stages.ObserveCleanup       = (*Plugin)(nil)
	_ stages.ObserveCreate        = (*Plugin)(nil)
	_ stages.ObserveComponent     = (*Plugin)(nil)
	_ stages.ObserveGeneration    = (*Plugin)(nil)
	_ stages.ObserveChunk         = (*Plugin)(nil)
	_ stages.ObserveStream        = (*Plugin)(nil)
	_ stages.ObserveValidation    = (*Plugin)(nil)
	_ stages.ObserveSampling      = (*Plugin)(nil)
	_ stages.ObserveIteration     = (*Plugin)(nil)
	_ stages.ObserveRepair        = (*Plugin)(nil)
	_ stages.ObserveTool          = (*Plugin)(nil)
	_ stages.ObserveAdapterLoad   = (*Plugin)(nil)
	_ stages.ObserveAdapterUnload = (*Plugin)(nil)
	_ stages.ObserveHistoryChange = (*Plugin)(nil)
	_ stages.ObserveFault         = (*Plugin)(nil)
)

// ObserveSession records an outcome of the stage session.
func (p *Plugin) ObserveSession(ctx context.Context, o chain.Outcome[*stages.Session]) {
	observe(ctx, p, "session", o)
}

// ObserveReset records an outcome of the stage reset.
func (p *Plugin) ObserveReset(ctx context.Context, o chain.Outcome[*stages.Reset]) {
	observe(ctx, p, "reset", o)
}

// ObserveCleanup records an outcome of the stage cleanup.
func (p *Plugin) ObserveCleanup(ctx context.Context, o chain.Outcome[*stages.Cleanup]) {
	observe(ctx, p, "cleanup", o)
}

// ObserveCreate records an outcome of the stage create.
func (p *Plugin) ObserveCreate(ctx context.Context, o chain.Outcome[*stages.Create]) {
	observe(ctx, p, "create", o)
}

// ObserveComponent records an outcome of the stage component.
func (p *Plugin) ObserveComponent(ctx context.Context, o chain.Outcome[*stages.Component]) {
	observe(ctx, p, "component", o)
}

// ObserveGeneration records an outcome of the stage generation.
func (p *Plugin) ObserveGeneration(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	observe(ctx, p, "generation", o)
}

// ObserveChunk records an outcome of the stage chunk.
func (p *Plugin) ObserveChunk(ctx context.Context, o chain.Outcome[*stages.Chunk]) {
	observe(ctx, p, "chunk", o)
}

// ObserveStream records an outcome of the stage stream.
func (p *Plugin) ObserveStream(ctx context.Context, o chain.Outcome[*stages.StreamEvent]) {
	observe(ctx, p, "stream", o)
}

// ObserveValidation records an outcome of the stage validation.
func (p *Plugin) ObserveValidation(ctx context.Context, o chain.Outcome[*stages.Validation]) {
	observe(ctx, p, "validation", o)
}

// ObserveSampling records an outcome of the stage sampling.
func (p *Plugin) ObserveSampling(ctx context.Context, o chain.Outcome[*stages.Sampling]) {
	observe(ctx, p, "sampling", o)
}

// ObserveIteration records an outcome of the stage iteration.
func (p *Plugin) ObserveIteration(ctx context.Context, o chain.Outcome[*stages.Iteration]) {
	observe(ctx, p, "iteration", o)
}

// ObserveRepair records an outcome of the stage repair.
func (p *Plugin) ObserveRepair(ctx context.Context, o chain.Outcome[*stages.Repair]) {
	observe(ctx, p, "repair", o)
}

// ObserveTool records an outcome of the stage tool.
func (p *Plugin) ObserveTool(ctx context.Context, o chain.Outcome[*stages.Tool]) {
	observe(ctx, p, "tool", o)
}

// ObserveAdapterLoad records an outcome of the stage adapter_load.
func (p *Plugin) ObserveAdapterLoad(ctx context.Context, o chain.Outcome[*stages.Adapter]) {
	observe(ctx, p, "adapter_load", o)
}

// ObserveAdapterUnload records an outcome of the stage adapter_unload.
func (p *Plugin) ObserveAdapterUnload(ctx context.Context, o chain.Outcome[*stages.Adapter]) {
	observe(ctx, p, "adapter_unload", o)
}

// ObserveHistoryChange records an outcome of the stage history_change.
func (p *Plugin) ObserveHistoryChange(ctx context.Context, o chain.Outcome[*stages.HistoryChange]) {
	observe(ctx, p, "history_change", o)
}

// ObserveFault records an outcome of the stage fault.
func (p *Plugin) ObserveFault(ctx context.Context, o chain.Outcome[*stages.Fault]) {
	observe(ctx, p, "fault", o)
}
