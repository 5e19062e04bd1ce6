package session

import (
	"context"
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
	begun := time.Now()
	var out *stages.Generation
	err = s.contain(func() (err error) {
		out, err = s.cfg.backend.Generate(ctx, g)
		if err == nil && (out == nil || !out.HasResult()) {
			err = fmt.Errorf("%w: %s", ErrNoAnswer, r.backend.Name)
		}
		return err
	})
	res := answerOf(out, time.Since(begun))
	e := stages.Exchange{RequestID: r.base.RequestID, Messages: g.Messages(), Output: res.Output, Latency: res.Latency}
	if err != nil {
		e.Error = err.Error()
	}
	r.record(e)
	s.record(e)
	if err != nil {
		s.fault(ctx, r, g.Meta(), stages.FaultFields{
			Failure: failure(err, stages.FaultBackend), Where: "generation", History: g.History(), Action: g.Action(),
		})
		return g.Partial(res), err
	}
	return g.Done(res), nil // g, so that a backend changes nothing but the result
}

// answerOf is what a backend says, complete or partial.
func answerOf(g *stages.Generation, latency time.Duration) stages.GenerationResult {
	res := stages.GenerationResult{Latency: latency, Source: stages.SourceBackend}
	if g != nil {
		res.Output, res.HTTPStatus, res.Chunks, res.FirstChunk = g.Output(), g.HTTPStatus(), g.Chunks(), g.FirstChunk()
		if g.Source() != "" {
			res.Source = g.Source()
		}
	}
	return res
}

// record adds a generation to the session's books.
func (s *Session) record(e stages.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	switch n := s.cfg.logSize; {
	case n == 0:
	case len(s.log) < n:
		s.log = append(s.log, e)
	default: // a ring
		s.log[s.generations%n] = e
	}
	s.generations++
	s.usage = s.usage.Add(e.Output.Usage)
}

// logged is the log of generations, oldest first. s.mu is held.
func (s *Session) logged() stages.List[stages.Exchange] {
	if len(s.log) == 0 {
		return stages.List[stages.Exchange]{}
	}
	oldest := s.generations % len(s.log)
	return stages.ListOf(slices.Concat(s.log[oldest:], s.log[:oldest])...)
}

// question is what one try asks the model.
type question struct {
	action  stages.Action
	history stages.History // all of it; the model sees the loop's view
}

// answer is what came of it.
type answer struct {
	output stages.Output
	added  []stages.Message // the question and the tool calls, as they precede the output in the history
	usage  stages.Usage
}

// ask generates until the model answers with something else than tool calls.
func (s *Session) ask(ctx context.Context, r *request, l *loop, q question) (a answer, err error) {
	c := l.component
	a.added, err = q.action.Messages()
	if err != nil {
		return a, fmt.Errorf("session: the messages of %s: %w", l.meta.ComponentKind, err)
	}
	view := q.history.Tail(c.Window().Or(q.history.Len())).Messages()
	for round := 0; ; round++ {
		g, err := s.call.generation(ctx, stages.NewGeneration(r.after(l.meta), stages.GenerationFields{
			Action: q.action, History: q.history, Messages: view.Append(a.added...),
			ModelOptions: c.ModelOptions(), Tools: l.tools, Format: c.Format(), Backend: r.backend,
		}))
		if err == nil && !g.HasResult() {
			err = noResult("generation")
		}
		if err != nil {
			return a, err
		}
		a.output = g.Output()
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
			m, err := s.invoke(ctx, r, l, call, g.Tools())
			if err != nil {
				return a, err
			}
			a.added = append(a.added, m)
		}
	}
}

// generateFor is a model call by a hook: a request of its own, within the one that ctx belongs to. It goes through the
// generation stage and leaves the history alone.
func (s *Session) generateFor(ctx context.Context, messages []stages.Message, o stages.ModelOptions) (stages.Output, error) {
	ctx, r, err := s.begin(ctx)
	if err != nil {
		return stages.Output{}, err
	}
	defer s.end(r)
	g, err := s.call.generation(ctx, stages.NewGeneration(r.meta(), stages.GenerationFields{
		Messages: stages.ListOf(messages...), ModelOptions: r.options.Merge(o), Backend: r.backend,
	}))
	if err == nil && !g.HasResult() {
		err = noResult("generation")
	}
	if err != nil {
		return stages.Output{}, err
	}
	return g.Output(), nil
}
