package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// MaxToolRounds is how often in a row a model may answer with tool calls before it has to answer the question.
const MaxToolRounds = 8

// generate is the handler of the generation stage: the backend, with its books kept.
func (s *Session) generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	r, err := s.requestOf(g.Meta())
	if err != nil {
		return nil, err
	}
	answers := s.answering(r, g.Meta())
	sent, err := fit(g, answers)
	if err != nil {
		s.fault(ctx, r, g.Meta(), stages.FaultFields{
			Failure: failure(err, stages.FaultBackend), Where: whereGeneration, History: g.History(), Action: g.Action(),
		})
		return g.Partial(stages.GenerationResult{}), err
	}
	f := r.flowOf(g.Meta())
	if err := f.admit(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	var t *take // where somebody looks at the text
	if f != nil || s.pipeline.ChunkActive(ctx) {
		t = s.newTake(ctx, r, g, f)
	}
	var out *stages.Generation
	err = s.contain(func() (err error) {
		out, err = t.from(ctx, answers, sent)
		return err
	})
	res := answerOf(out, time.Since(begun))
	e := stages.Exchange{RequestID: r.base.RequestID, Messages: sent.Messages(), Output: res.Output, Latency: res.Latency}
	if err != nil {
		e.Error = err.Error()
	}
	s.record(r, e, g.Meta().CorrelationID)
	if err == nil {
		return g.Done(t.finish(res)), nil // g, so that a backend changes nothing but the result
	}
	if t != nil && t.err != nil && !errors.Is(t.err, ErrStreamText) { // the backend did nothing wrong
		return g.Partial(t.partial(res)), err
	}
	s.fault(ctx, r, g.Meta(), stages.FaultFields{
		Failure: failure(err, stages.FaultBackend), Where: whereGeneration, History: g.History(), Action: g.Action(),
	})
	return g.Partial(t.partial(res)), err
}

// answerOf is what a backend says, complete or partial.
func answerOf(g *stages.Generation, latency time.Duration) stages.GenerationResult {
	res := stages.GenerationResult{Latency: latency, Source: stages.SourceBackend}
	if g != nil {
		res.Output, res.HTTPStatus, res.Chunks, res.FirstChunk = g.Output(), g.HTTPStatus(), g.Chunks(), g.FirstChunk()
		if g.Source() != "" && g.Source() != stages.SourceShortCircuit { // which says that the backend did not tell
			res.Source = g.Source()
		}
	}
	return res
}

// exchange is an entry of the logs of generations. What the backend answered is kept to itself until all links have let
// it through. Guarded by the session's mutex.
type exchange struct {
	stages.Exchange
	correlation string
	answered    stages.Output
}

// record adds a generation to the books.
func (s *Session) record(r *request, e stages.Exchange, correlation string) {
	o := e.Output
	e.Output = stages.Output{FinishReason: o.FinishReason, Usage: o.Usage, Model: o.Model}
	x := &exchange{e, correlation, o}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.log = append(r.log, x)
	r.usage = r.usage.Add(o.Usage)
	if s.over || s.apart {
		return
	}
	switch n := s.cfg.logSize; {
	case n == 0:
	case len(s.log) < n:
		s.log = append(s.log, x)
	default: // a ring
		s.log[s.generations%n] = x
	}
	s.generations++
	s.usage = s.usage.Add(o.Usage)
}

// settle puts the answer into the logs as the links have left it. Where they had the backend asked several times, it is
// that of the last time.
func (s *Session) settle(r *request, g *stages.Generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range slices.Backward(r.log) {
		if x.correlation != g.Meta().CorrelationID || x.Error != "" {
			continue
		}
		out, was := g.Output(), x.answered
		out.Usage = was.Usage
		if out.Raw == was.Raw && !out.Equal(was) { // it has what a link took out
			out.Raw = ""
		}
		x.Output, x.answered = out, stages.Output{}
		return
	}
}

// entries are a log for others. s.mu is held.
func entries(log ...*exchange) stages.List[stages.Exchange] {
	return stages.ListBy(len(log), func(i int) stages.Exchange { return log[i].Exchange })
}

// logged is the log of generations, oldest first. s.mu is held.
func (s *Session) logged() stages.List[stages.Exchange] {
	if len(s.log) == 0 {
		return stages.List[stages.Exchange]{}
	}
	oldest := s.generations % len(s.log)
	return entries(slices.Concat(s.log[oldest:], s.log[:oldest])...)
}

// loggedOf is what a request did to get its answer.
func (s *Session) loggedOf(r *request) (stages.List[stages.Exchange], stages.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return entries(r.log...), r.usage
}

// question is what one try asks the model.
type question struct {
	action  stages.Action
	history stages.History // all of it; the model sees the loop's view
	turns   int            // messages at its end that this loop has put there, which the model sees in any case
	solver  *solver        // answers in the place of the session's backend; nil: that one
}

// answer is what came of it.
type answer struct {
	output stages.Output
	added  []stages.Message // the question and the tool calls, as they precede the output in the history
	ran    []stages.ToolRun // what came of the tool calls
	usage  stages.Usage
	cut    *cutOff // why the model was stopped, if it was
}

// generation runs the generation stage. What a link answers in the backend's place goes through the chunk stage after it.
func (s *Session) generation(ctx context.Context, r *request, f *flow, p *stages.Generation) (*stages.Generation, *cutOff, error) {
	if f != nil {
		defer r.flowing(p.Meta(), f)()
	}
	g, err := s.call.generation(ctx, p)
	if err == nil && !g.HasResult() {
		err = noResult("generation")
	}
	if err != nil {
		return nil, nil, err
	}
	if was := g.Output().Text; g.Source() != stages.SourceBackend {
		text, err := s.screened(ctx, r, g.Meta(), was)
		if err != nil {
			return nil, nil, err
		}
		if text != was {
			g = g.WithText(text)
		}
	}
	var cut *cutOff
	if f != nil {
		if g, cut, err = f.settled(ctx, g); err != nil {
			return nil, nil, err
		}
	}
	s.settle(r, g)
	return g, cut, nil
}

// ask generates until the model answers with something else than tool calls.
func (s *Session) ask(ctx context.Context, r *request, l *loop, q question) (a answer, err error) {
	c := l.component
	a.added, err = q.action.Messages()
	if err != nil {
		return a, &finalError{fmt.Errorf("session: the messages of %s: %w", l.meta.ComponentKind, err)}
	}
	view := q.history.Tail(min(q.history.Len(), c.Window().Or(q.history.Len())+q.turns)).Messages()
	at := r.newAttempt()
	for round := 0; ; round++ {
		m := r.after(l.meta)
		g, cut, err := s.generation(ctx, r, s.newFlow(ctx, r, at, l), stages.NewGeneration(m, stages.GenerationFields{
			Action: q.action, History: q.history, Messages: view.Append(a.added...),
			ModelOptions: c.ModelOptions(), Tools: l.tools, Format: c.Format(), Backend: r.delegate(m, q.solver),
		}))
		if err != nil {
			return a, err
		}
		a.output, a.cut = g.Output(), cut
		a.usage = a.usage.Add(a.output.Usage)
		calls := a.output.ToolCalls
		switch {
		case calls.Len() == 0:
			return a, nil
		case round == MaxToolRounds:
			return a, ErrToolRounds
		}
		a.added = append(a.added, a.output.Message())
		for _, call := range calls.All() {
			r.sink.event(ctx, EventToolCall, facts("name", call.Name))
		}
		runs, err := s.runTools(ctx, r, l.meta, calls, g.Tools())
		if err != nil {
			return a, err
		}
		for _, t := range runs {
			a.added, a.ran = append(a.added, t.Message()), append(a.ran, runOf(t))
		}
	}
}

func (s *Session) generateWith(from given) func(context.Context, []stages.Message, stages.ModelOptions) (stages.Output, error) {
	return func(ctx context.Context, m []stages.Message, o stages.ModelOptions) (stages.Output, error) {
		return s.generateFor(ctx, from, m, o)
	}
}

// generateFor is a model call by a hook: a request of its own, within the one that ctx belongs to. It goes through the
// generation stage and leaves the history alone.
func (s *Session) generateFor(
	ctx context.Context, from given, messages []stages.Message, o stages.ModelOptions,
) (stages.Output, error) {
	ctx, r, err := s.beginWith(ctx, from)
	if err != nil {
		return stages.Output{}, err
	}
	defer s.end(r)
	g, _, err := s.generation(ctx, r, nil, stages.NewGeneration(r.meta(), stages.GenerationFields{
		Messages: stages.ListOf(messages...), ModelOptions: r.options.Merge(o), Backend: r.backend,
	}))
	if err != nil {
		return stages.Output{}, err
	}
	return g.Output(), nil
}
