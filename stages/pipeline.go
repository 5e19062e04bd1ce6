package stages

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
)

// Pipeline has one chain for each stage of a model call. A plugin that is a function goes to its stage's chain:
//
//	p.Generation.Use(chain.After("redact", redact))
//
// What a link may write, and whether it can block, is the chain's policy, derived from the table of HookPoints. The
// chains share one dispatcher for background links. Safe for concurrent use; the fields must not be assigned.
type Pipeline struct {
	Session       *chain.Chain[*Session]
	Reset         *chain.Chain[*Reset]
	Cleanup       *chain.Chain[*Cleanup]
	Create        *chain.Chain[*Create]
	Component     *chain.Chain[*Component]
	Generation    *chain.Chain[*Generation]
	Chunk         *chain.Chain[*Chunk]
	Stream        *chain.Chain[*StreamEvent]
	Validation    *chain.Chain[*Validation]
	Sampling      *chain.Chain[*Sampling]
	Iteration     *chain.Chain[*Iteration]
	Repair        *chain.Chain[*Repair]
	Tool          *chain.Chain[*Tool]
	AdapterLoad   *chain.Chain[*Adapter]
	AdapterUnload *chain.Chain[*Adapter]
	HistoryChange *chain.Chain[*HistoryChange]
	Fault         *chain.Chain[*Fault]

	dispatcher *chain.Dispatcher
	owns       bool // the dispatcher
	scope      bool
	parent     *Pipeline // of a scope
	cfg        PipelineConfig
	plugins    plugins
	switches   switches
	custom     customChains
}

// Default is the pipeline of the process: what is registered here runs in every session.
var Default = NewPipeline(PipelineConfig{})

// PipelineConfig is what all chains of a Pipeline share. The zero value is useful.
type PipelineConfig struct {
	// Logger hears of ignored failures, would-blocks, discarded changes and breakers; never of payloads. Nil logs nothing.
	Logger *zap.Logger
	// LogErrorText adds the texts of errors and the values of panics, in which a plugin may have quoted a prompt.
	LogErrorText bool
	// Dispatcher runs background links. Without one the Pipeline makes its own and closes it with itself.
	Dispatcher *chain.Dispatcher
	Tracer     chain.Tracer
	// PassPanic says which panic values go through to the caller; see chain.Config.
	PassPanic func(value any) bool
}

// NewPipeline makes a Pipeline without links.
func NewPipeline(cfg PipelineConfig) *Pipeline {
	p := &Pipeline{owns: cfg.Dispatcher == nil, cfg: cfg}
	if p.owns {
		cfg.Dispatcher = chain.NewDispatcher(chain.DispatcherConfig{})
	}
	p.dispatcher = cfg.Dispatcher
	p.Session = newChain("session", sessionSpec, cfg)
	p.Reset = newChain("reset", resetSpec, cfg)
	p.Cleanup = newChain("cleanup", cleanupSpec, cfg)
	p.Create = newChain("create", createSpec, cfg)
	p.Component = newChain("component", componentSpec, cfg)
	p.Generation = newChain("generation", generationSpec, cfg)
	p.Chunk = newChain("chunk", chunkSpec, cfg)
	p.Stream = newChain("stream", streamEventSpec, cfg)
	p.Validation = newChain("validation", validationSpec, cfg)
	p.Sampling = newChain("sampling", samplingSpec, cfg)
	p.Iteration = newChain("iteration", iterationSpec, cfg)
	p.Repair = newChain("repair", repairSpec, cfg)
	p.Tool = newChain("tool", toolSpec, cfg)
	p.AdapterLoad = newChain("adapter_load", adapterSpec, cfg)
	p.AdapterUnload = newChain("adapter_unload", adapterSpec, cfg)
	p.HistoryChange = newChain("history_change", historyChangeSpec, cfg)
	p.Fault = newChain("fault", faultSpec, cfg)
	return p
}

func newChain[S any](name string, s spec[S], cfg PipelineConfig) *chain.Chain[*S] {
	return chain.New(name, chain.Config[*S]{
		Logger: cfg.Logger, LogErrorText: cfg.LogErrorText, Policy: s.policy(name), Dispatcher: cfg.Dispatcher, Tracer: cfg.Tracer,
		PassPanic: cfg.PassPanic, Label: func(p *S) string { return s.meta(p).RequestID },
	})
}

// Scope makes a Pipeline that runs the links of this one, present and future, merged with its own: one for each session.
// It fails when p is closed. A scope that is forgotten is collected, unless plugins were registered in it: Close it then.
func (p *Pipeline) Scope() (*Pipeline, error) {
	s := &Pipeline{dispatcher: p.dispatcher, scope: true, parent: p, cfg: p.cfg}
	var err error
	s.Session = scope(p.Session, &err)
	s.Reset = scope(p.Reset, &err)
	s.Cleanup = scope(p.Cleanup, &err)
	s.Create = scope(p.Create, &err)
	s.Component = scope(p.Component, &err)
	s.Generation = scope(p.Generation, &err)
	s.Chunk = scope(p.Chunk, &err)
	s.Stream = scope(p.Stream, &err)
	s.Validation = scope(p.Validation, &err)
	s.Sampling = scope(p.Sampling, &err)
	s.Iteration = scope(p.Iteration, &err)
	s.Repair = scope(p.Repair, &err)
	s.Tool = scope(p.Tool, &err)
	s.AdapterLoad = scope(p.AdapterLoad, &err)
	s.AdapterUnload = scope(p.AdapterUnload, &err)
	s.HistoryChange = scope(p.HistoryChange, &err)
	s.Fault = scope(p.Fault, &err)
	if err != nil {
		return nil, fmt.Errorf("stages: scope: %w", err)
	}
	return s, nil
}

// scope gives nil once there was an error.
func scope[P any](c *chain.Chain[P], err *error) *chain.Chain[P] {
	if *err != nil {
		return nil
	}
	s, e := c.Scope()
	*err = e
	return s
}

// anyChain is what can be done with a chain whatever its payload is.
type anyChain interface {
	Name() string
	Active() bool
	Close(ctx context.Context) error
	Explain() chain.Plan
	Stats() chain.Stats
}

// chains are all of them, in the order of HookPoints.
func (p *Pipeline) chains() [17]anyChain {
	return [...]anyChain{
		p.Session, p.Reset, p.Cleanup, p.Create, p.Component, p.Generation, p.Chunk, p.Stream, p.Validation, p.Sampling,
		p.Iteration, p.Repair, p.Tool, p.AdapterLoad, p.AdapterUnload, p.HistoryChange, p.Fault,
	}
}

// Active says whether any link is registered, here or in a parent. Each chain has an Active of its own, for callers that
// want to skip building one payload.
func (p *Pipeline) Active() bool {
	for _, c := range p.chains() {
		if c.Active() {
			return true
		}
	}
	for _, c := range p.customChains() {
		if c.Active() {
			return true
		}
	}
	return false
}

// WithTracer sets the tracer of all chains; see chain.Chain.WithTracer. It returns p.
func (p *Pipeline) WithTracer(t chain.Tracer) *Pipeline {
	p.Session.WithTracer(t)
	p.Reset.WithTracer(t)
	p.Cleanup.WithTracer(t)
	p.Create.WithTracer(t)
	p.Component.WithTracer(t)
	p.Generation.WithTracer(t)
	p.Chunk.WithTracer(t)
	p.Stream.WithTracer(t)
	p.Validation.WithTracer(t)
	p.Sampling.WithTracer(t)
	p.Iteration.WithTracer(t)
	p.Repair.WithTracer(t)
	p.Tool.WithTracer(t)
	p.AdapterLoad.WithTracer(t)
	p.AdapterUnload.WithTracer(t)
	p.HistoryChange.WithTracer(t)
	p.Fault.WithTracer(t)
	p.custom.withTracer(t)
	return p
}

// Dispatcher runs the background links of all chains; it is shared with the scopes.
func (p *Pipeline) Dispatcher() *chain.Dispatcher { return p.dispatcher }

// Drain waits until the dispatcher's background work is done or ctx ends.
func (p *Pipeline) Drain(ctx context.Context) error { return p.dispatcher.Drain(ctx) }

// Close waits until background work is done or ctx ends, and makes later calls through the chains, and through scopes of
// them, fail with chain.ErrClosed. It closes the dispatcher that the Pipeline made itself, and the plugins that were
// registered here and are used nowhere else. A scope's Close closes its own chains and plugins only, and does not wait.
func (p *Pipeline) Close(ctx context.Context) error {
	var errs []error
	if !p.scope { // first: work of one chain may still call another one
		if err := p.Drain(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stages: waiting for background work: %w", err))
		}
	}
	own := p.chains()
	for _, c := range append(own[:], p.custom.close()...) {
		if err := c.Close(ctx); err != nil && len(errs) == 0 {
			errs = append(errs, fmt.Errorf("stages: closing %s: %w", c.Name(), err))
		}
	}
	if p.owns {
		errs = append(errs, p.dispatcher.Close(ctx))
	}
	errs = append(errs, p.plugins.close(ctx))
	return errors.Join(errs...)
}

// Stats are the counts of all chains, in the order of HookPoints, those of custom stages last.
func (p *Pipeline) Stats() []chain.Stats {
	var out []chain.Stats
	for _, c := range p.allChains() {
		out = append(out, c.Stats())
	}
	return out
}

// Explain says what each chain runs, in the order of HookPoints, those of custom stages last.
func (p *Pipeline) Explain() Plans {
	var out Plans
	for _, c := range p.allChains() {
		out = append(out, c.Explain())
	}
	out.forgetMisses()
	return out
}

// PassesPanic says whether a panic with this value goes through to the caller, for code that recovers between two chains:
// see PipelineConfig.PassPanic.
func (p *Pipeline) PassesPanic(value any) (pass bool) {
	if p.cfg.PassPanic == nil {
		return false
	}
	defer func() {
		if recover() != nil {
			pass = false
		}
	}()
	return p.cfg.PassPanic(value)
}

// Unchanged is the handler of a stage in which the runtime has nothing to do itself, such as a report.
func Unchanged[P any](_ context.Context, p P) (P, error) { return p, nil }
