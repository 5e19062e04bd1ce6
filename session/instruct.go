package session

import (
	"context"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// InstructOption sets something about one instruction. A nil InstructOption is skipped.
type InstructOption interface{ instruct(*instruction) error }

type instructOption func(*instruction) error

func (f instructOption) instruct(i *instruction) error { return f(i) }

func with(f func(*instruction)) InstructOption {
	return instructOption(func(i *instruction) error {
		f(i)
		return nil
	})
}

// instruction is what the options of one call make up, of whatever kind it is.
type instruction struct {
	name     string
	fields   stages.CreateFields
	strategy stages.Strategy
	options  stages.ModelOptions
	tools    []stages.Callable

	action stages.Action // a component that is there already; nil for one that build makes
	build  builder
	takes  takes
	decode *decoding // reads the answer; nil leaves it text

	chunking Chunking // of a stream
	sink     *sink    // of its reader; nil without one
}

// Require adds what the answer has to fulfil: see Check.
func Require(requirements ...stages.Requirement) InstructOption {
	return with(func(i *instruction) { i.fields.Requirements = i.fields.Requirements.Append(requirements...) })
}

// LoopBudget sets how often the instruction is tried at most, by default DefaultLoopBudget.
func LoopBudget(n int) InstructOption {
	return with(func(i *instruction) { i.strategy = RejectionSampling{LoopBudget: n} })
}

// Tools gives the model tools for this instruction, beside those of the session. One of the same name takes the place of
// the session's.
func Tools(tools ...stages.Callable) InstructOption {
	return instructOption(func(i *instruction) error {
		var err error
		i.tools, err = mergeTools(i.tools, tools)
		return err
	})
}

// ModelOptions are put on top of the session's.
func ModelOptions(o stages.ModelOptions) InstructOption {
	return with(func(i *instruction) { i.options = i.options.Merge(o) })
}

// Name names the instruction in logs and for policies.
func Name(name string) InstructOption { return with(func(i *instruction) { i.name = name }) }

// Prefix is what the answer is to begin with.
func Prefix(text string) InstructOption {
	return with(func(i *instruction) { i.fields.Prefix = text })
}

// Images go with the instruction, for a backend that takes them.
func Images(images ...stages.Image) InstructOption {
	return with(func(i *instruction) { i.fields.Images = i.fields.Images.Append(images...) })
}

// Examples are good answers to learn from.
func Examples(texts ...string) InstructOption {
	return with(func(i *instruction) { i.fields.Examples = i.fields.Examples.Append(texts...) })
}

// Grounding are documents to rely on.
func Grounding(items ...stages.ContextItem) InstructOption {
	return with(func(i *instruction) { i.fields.Grounding = i.fields.Grounding.Append(items...) })
}

// Variable sets a variable of the instruction, which makes its texts templates: see InstructionSpec.
func Variable(name, value string) InstructOption {
	return with(func(i *instruction) { i.fields.Variables = i.fields.Variables.With(name, value) })
}

// Instruct gives the model a task and returns its answer, which is then part of the history. Answers that do not fulfil
// the requirements are tried again up to the loop budget; when none does, or a link ends the loop, the best one is
// returned with Success false and no error. A nil error alone therefore says nothing about requirements.
//
// An error of the backend is an attempt that failed, see Strategy. It is returned, the first one, only where no attempt
// gave an answer; otherwise Attempts and FailureReason tell of it.
//
// The error is a *chain.Violation where a link blocked, a *chain.LinkError where one failed, and otherwise that of the
// backend, of a check, or of the session; nothing is added to the history then.
//
// When ctx ends, so does the call, as soon as what it waits for returns: a backend, tool, check or link that does not heed
// its ctx is not left behind, unless it is a link with a Timeout. runtime.Goexit in a tool or the backend ends the
// goroutine of the caller, as Go wants it; the session goes on.
func (s *Session) Instruct(ctx context.Context, description string, opts ...InstructOption) (*Result, error) {
	return s.run(ctx, task(description), opts)
}

// task is what Instruct puts to the model.
func task(description string) instruction {
	return instruction{
		fields: stages.CreateFields{Kind: stages.KindInstruction, Description: description},
		build:  buildInstruction, takes: takesAll,
	}
}

func (s *Session) run(ctx context.Context, i instruction, opts []InstructOption) (*Result, error) {
	return s.runWith(ctx, given{}, i, opts)
}

// with is the instruction with options on top.
func (i instruction) with(opts []InstructOption) (instruction, error) {
	if len(opts) == 0 {
		return i, nil
	}
	j := i // what the options get is on the heap
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.instruct(&j); err != nil {
			return i, err
		}
	}
	return j, nil
}

// runWith is what all kinds of component have in common: create it, execute it, add it to the history.
func (s *Session) runWith(ctx context.Context, from given, i instruction, opts []InstructOption) (*Result, error) {
	i.strategy, i.tools = RejectionSampling{LoopBudget: DefaultLoopBudget, implied: true}, s.cfg.tools
	i, err := i.with(opts)
	if err != nil {
		return nil, err
	}
	if err := i.fits(); err != nil {
		return nil, err
	}
	ctx, r, err := s.beginWith(ctx, from)
	if err != nil {
		return nil, err
	}
	defer s.end(r)
	r.tools, r.build, r.decode = stages.ListOf(i.tools...), i.build, i.decode
	r.base.Strategy = i.strategy.Name()
	if i.action != nil {
		what, err := s.describe(r, i.action)
		if err != nil {
			return nil, s.failed(ctx, r, stages.FaultFields{
				Failure: failure(err, stages.FaultComponent), Where: "component_create", History: r.history,
			})
		}
		i.fields.Kind, i.name = what.kind, what.name
	}
	r.base.ComponentKind, r.base.ComponentName = i.fields.Kind, i.name
	if i.sink == nil {
		return s.instruct(ctx, r, i)
	}
	return s.instructStreamed(ctx, r, i)
}

// instructStreamed tells of the stream's begin and end.
func (s *Session) instructStreamed(ctx context.Context, r *request, i instruction) (res *Result, err error) {
	i.sink.start(ctx, s, r, i.chunking)
	err = errCutShort
	defer func() { i.sink.end(ctx, res, err) }()
	res, err = s.instruct(ctx, r, i)
	return res, err
}

func (s *Session) instruct(ctx context.Context, r *request, i instruction) (*Result, error) {
	created, from, requirements, err := s.create(ctx, r, i.fields)
	if err != nil {
		return nil, s.failed(ctx, r, stages.FaultFields{
			Failure: failure(err, stages.FaultComponent), Where: "component_create", History: r.history,
		})
	}
	if i.decode != nil {
		requirements = requirements.Append(s.decodes(r))
	}
	c, err := s.call.component(ctx, stages.NewComponent(r.meta(), stages.ComponentFields{
		Kind: created.kind, Name: created.name, Action: created.action, History: r.history, Window: s.window(),
		Requirements: requirements, ModelOptions: r.options.Merge(i.options), Strategy: i.strategy,
		Format: i.decode.format(), ToolsEnabled: len(i.tools) > 0, Input: from.Description(),
	}))
	if err == nil && !c.HasResult() {
		err = noResult("component")
	}
	var value any
	if err == nil { // once more, because links may have written the answer
		err = s.contain(func() (err error) {
			value, err = r.decode.value(c.Result().Text)
			return err
		})
	}
	if err != nil {
		return nil, s.failed(ctx, r, stages.FaultFields{
			Failure: failure(err, faultOf(err)), Where: "component_execute", History: r.history, Action: created.action,
		})
	}
	if c, err = r.sink.answered(ctx, c); err != nil {
		return nil, err
	}
	history, err := s.commit(ctx, r, c)
	if err != nil {
		return nil, err
	}
	res := &Result{
		Output: c.Result(), Success: c.Success(), Attempts: c.Attempts(), Usage: c.Usage(),
		History: history, RequestID: r.base.RequestID, Duration: time.Since(r.begun), value: value,
	}
	if !res.Success {
		r.mu.Lock()
		res.FailureReason = r.reason
		r.mu.Unlock()
	}
	return res, nil
}

// failed reports the error of a call and gives it back. A call that failed because the session was closed says so.
func (s *Session) failed(ctx context.Context, r *request, f stages.FaultFields) error {
	err := f.Failure.Err
	s.fault(ctx, r, r.identity(), f)
	if context.Cause(ctx) == ErrClosed && !leadsTo(err, ErrClosed) || leadsTo(err, chain.ErrClosed) { //nolint:errorlint // its own cause
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// window is how much of the history a model sees.
func (s *Session) window() stages.Optional[int] {
	if s.cfg.historyKind == stages.HistorySingle {
		return stages.Some(0)
	}
	return stages.Optional[int]{}
}

// commit adds a turn to the history as it is now and tells of it. Without a session that is the history of the call.
func (s *Session) commit(ctx context.Context, r *request, c *stages.Component) (stages.History, error) {
	what := s.executed(r, c.Action())
	r.mu.Lock()
	ran := stages.ListOf(r.ran...)
	r.mu.Unlock()
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return stages.History{}, ErrClosed
	}
	if s.conversation != r.conversation { // it was forgotten meanwhile
		s.mu.Unlock()
		return grownBy(r.history, c), nil
	}
	previous := r.history
	if !s.apart {
		previous = s.history
	}
	resulting := grownBy(previous, c)
	if !s.apart {
		s.history, s.hasLast = resulting, true
		s.last = answered{
			stages.Target{Output: c.Result(), Action: c.Action(), History: c.History(), Tools: ran}, what.kind, what.name,
		}
	}
	s.mu.Unlock()
	if stages.Active(ctx, s.pipeline.HistoryChange) {
		s.changed(ctx, r, stages.HistoryChangeFields{
			Kind: stages.ChangeAppend, Previous: previous, Resulting: resulting, Added: c.Added().Append(c.Result().Message()),
		})
	}
	if !s.apart {
		s.prune(ctx, r)
	}
	return resulting, nil
}

// grownBy is a history with a turn at its end.
func grownBy(h stages.History, c *stages.Component) stages.History {
	if h.Same(c.History()) {
		return c.HistoryAfter()
	}
	return h.Append(c.Added().Slice()...).Append(c.Result().Message())
}
