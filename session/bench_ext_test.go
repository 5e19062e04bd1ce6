package session_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What the lifecycle costs around a backend that costs nothing. Between two rows lies what hooks cost.
func BenchmarkInstruct(b *testing.B) {
	for _, links := range []int{0, 20} {
		b.Run(fmt.Sprintf("links=%d", links), func(b *testing.B) {
			s := start(b, session.WithBackend(echo()), session.WithHistoryKind(stages.HistorySingle),
				session.WithSetup(func(p *stages.Pipeline) error { return hooksEverywhere(p, links/20) }))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := s.Instruct(b.Context(), "hello"); err != nil {
					b.Fatal(err)
				}
				if n%256 == 0 { // a long history is work for the garbage collector
					if err := s.Reset(b.Context(), "long"); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// hooksEverywhere registers n hooks in each of 20 places.
func hooksEverywhere(p *stages.Pipeline, n int) error {
	for i := range n {
		for _, err := range []error{
			idle(p.Create, i), idle(p.Component, i), idle(p.Generation, i), idle(p.Validation, i), idle(p.Sampling, i),
			idle(p.Iteration, i), idle(p.Repair, i), idle(p.Tool, i), idle(p.HistoryChange, i), idle(p.Fault, i),
		} {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func idle[P any](c *chain.Chain[P], i int) error {
	nothing := func(_ context.Context, p P) (P, error) { return p, nil }
	_, err := c.Use(chain.Before(fmt.Sprintf("in %d", i), nothing), chain.After(fmt.Sprintf("out %d", i), nothing))
	return err
}
