package scenario

import (
	"context"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// instruct is the runtime end to end, beside a direct call of the same model; links are hooks in each of its stages.
func instruct() Scenario {
	s := Scenario{"session", "an instruction of a session, with hooks in each of its stages, beside its model called directly", []Cell{variant(bench.Direct, 0)}}
	for _, n := range bench.HooksPerStage {
		s.Cells = append(s.Cells, variant(bench.Instruct, n))
	}
	return s
}

// history is an instruction in a session that has said much already.
func history() Scenario {
	s := Scenario{Name: "history", Doc: "an instruction of a session whose history has so many messages already: which the model does not get (single), or does (chat)"}
	for _, k := range []stages.HistoryKind{stages.HistorySingle, stages.HistoryChat} {
		for _, n := range []int{0, 64, 1024, 16384} {
			s.Cells = append(s.Cells, Cell{Peer: string(k), Links: n, Build: func() measure.Work { return remembering(k, n) }})
		}
	}
	return s
}

// turns are how many instructions a session is given before another one takes its place.
const turns = 256

// remembering begins each sample with the same history.
func remembering(k stages.HistoryKind, n int) measure.Work {
	var past stages.History
	for range n {
		past = past.Append(stages.Message{Role: stages.RoleUser, Text: bench.Question})
	}
	p := bench.Watched(1)
	var s *session.Session
	ctx := context.Background()
	return measure.Work{
		MaxCalls: turns,
		Done: func() {
			if err := s.Close(ctx); err != nil {
				panic(err)
			}
		},
		Before: func() {
			s = must(session.Start(ctx, session.WithPipeline(p), session.WithBackend(bench.Model()), session.WithHistory(past),
				session.WithHistoryKind(k)))
		},
		Handler: func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			_, err := s.Instruct(ctx, bench.Question)
			return p, err
		},
	}
}

// sessions is an instruction while many sessions are open, all with the plugins of one pipeline.
func sessions() Scenario {
	s := Scenario{Name: "sessions", Doc: "an instruction of one session while so many are open"}
	for _, n := range []int{1, 16, 256, 2048} {
		s.Cells = append(s.Cells, Cell{Peer: "session", Links: n, Build: func() measure.Work { return among(n) }})
	}
	return s
}

// among opens the others for each sample and closes them behind it, so that alone is alone whatever else is measured.
func among(n int) measure.Work {
	c := crowd{n: n, pipeline: bench.Watched(1)}
	return measure.Work{
		MaxCalls: turns, Before: c.open, Done: c.close,
		Handler: func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			_, err := c.all[0].Instruct(ctx, bench.Question)
			return p, err
		},
	}
}

type crowd struct {
	n        int
	pipeline *stages.Pipeline
	all      []*session.Session
}

func (c *crowd) open() {
	ctx := context.Background()
	for range c.n {
		s := must(session.Start(ctx, session.WithPipeline(c.pipeline), session.WithBackend(bench.Model()), session.WithHistoryKind(stages.HistorySingle)))
		must(s.Instruct(ctx, bench.Question))
		c.all = append(c.all, s)
	}
}

func (c *crowd) close() {
	for _, s := range c.all {
		if err := s.Close(context.Background()); err != nil {
			panic(err)
		}
	}
	c.all = nil
}
