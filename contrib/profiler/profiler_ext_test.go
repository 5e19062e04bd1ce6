package profiler_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// script answers after a second, in the words of its texts; an empty one is a failure.
func script(texts ...string) *plugintest.Model {
	m := &plugintest.Model{}
	for _, text := range texts {
		m.Turns = append(m.Turns, func(context.Context, *stages.Generation) (stages.Output, error) {
			wait(time.Second)
			if text == "" {
				return stages.Output{}, errors.New("offline")
			}
			return stages.Output{Text: text, FinishReason: stages.FinishStop, Usage: stages.Usage{InputTokens: 10, OutputTokens: 3}}, nil
		})
	}
	return m
}

func wait(d time.Duration) { <-time.After(d) }

// started is a session on a pipeline with the profiler as plugin and tracer.
func started(t *testing.T, p *profiler.Plugin, b session.Backend, opts ...session.Option) (*session.Session, *stages.Pipeline) {
	t.Helper()
	pl := stages.NewPipeline(stages.PipelineConfig{Tracer: p})
	if _, err := pl.Register(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return plugintest.Start(t, b, append([]session.Option{session.WithPipeline(pl)}, opts...)...), pl
}

func rowOf(t *testing.T, rows []profiler.Row, kind, name, stage string) profiler.Row {
	t.Helper()
	for _, r := range rows {
		if r.Kind == kind && r.Name == name && r.Stage == stage {
			return r
		}
	}
	t.Errorf("no row %q %q %q", kind, name, stage)
	return profiler.Row{}
}

func linkOf(t *testing.T, r profiler.Report, chainName, name string) profiler.Link {
	t.Helper()
	for _, l := range r.Links {
		if l.Chain == chainName && l.Link == name {
			return l
		}
	}
	t.Errorf("no link %s/%s", chainName, name)
	return profiler.Link{}
}

func eq[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// near is for times in a histogram, which are exact to 1 %.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want*99/100 || got > want*101/100 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

type berth struct {
	Number int `json:"number"`
}

// What was called how often, how it ended, what it took and what it cost.
func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProfiler(t, profiler.Settings{SampleEvery: 1})
		b := script("no", "a crane", "", "3", `{"number":3}`, "no", "no", "blocked")
		s, pl := started(t, p, b)
		if _, err := pl.Generation.Use(chain.Intercept[*stages.Generation]("retry", middleware.Retry(2))); err != nil {
			t.Fatal(err)
		}
		if res, err := s.Instruct(t.Context(), "berth", session.Require(plugintest.Mentions("crane"))); err != nil || !res.Success {
			t.Fatal(res, err)
		}
		slot := session.NewSlot[string, berth]("assign", "Assigns a berth.")
		if _, err := slot.Call(t.Context(), s, "Marigold"); err != nil {
			t.Fatal(err)
		}
		if res, err := s.Instruct(t.Context(), "berth", session.Require(plugintest.Mentions("crane")), session.LoopBudget(2)); err != nil || res.Success {
			t.Fatal(res, err)
		}
		if _, err := pl.Generation.Use(chain.After("guard", func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("no")
		})); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Instruct(t.Context(), "berth"); err == nil {
			t.Fatal("not blocked")
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := p.Snapshot()

		g := rowOf(t, r.Slots, "GenerativeSlot", "assign", "generation")
		eq(t, "calls of the slot", g.Counts, profiler.Counts{Calls: 2, Retries: 1, InputTokens: 20, OutputTokens: 6})
		sam := rowOf(t, r.Slots, "GenerativeSlot", "assign", "sampling")
		eq(t, "loops of the slot", sam.Counts, profiler.Counts{Calls: 1, Retries: 1, InputTokens: 20, OutputTokens: 6})
		if m := g.Latency.Max; m < 2*time.Second || m > 5*time.Second {
			t.Errorf("the generation that was retried took %v", m)
		}
		near(t, "the other one", g.Latency.Min, time.Second)

		g = rowOf(t, r.Kinds, "Instruction", "", "generation")
		eq(t, "of instructions", g.Counts, profiler.Counts{Calls: 5, Blocked: 1, InputTokens: 50, OutputTokens: 15})
		c := rowOf(t, r.Kinds, "Instruction", "", "component")
		eq(t, "components", c.Counts, profiler.Counts{Calls: 3, Blocked: 1, Unfulfilled: 1, InputTokens: 40, OutputTokens: 12})
		eq(t, "times", c.Latency.Count, 3)
		near(t, "median", c.Latency.P50, 2*time.Second)
		v := rowOf(t, r.Stages, "", "", "validation")
		eq(t, "validations", v.Counts, profiler.Counts{Calls: 6, Unfulfilled: 4})
		eq(t, "cleanups", rowOf(t, r.Stages, "", "", "cleanup").Calls, 1)

		p.Reset()
		if r := p.Snapshot(); len(r.Slots)+len(r.Kinds)+len(r.Stages)+len(r.Links)+len(r.Sessions) != 0 {
			t.Errorf("after Reset: %+v", r)
		}
	})
}

// The time of a link without what runs in its next, through two rings, a shadow, hooks and hedging.
func TestSelfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProfiler(t, profiler.Settings{SampleEvery: 1})
		c := chain.New("generation", chain.Config[*stages.Generation]{Tracer: p})
		hook := func(d time.Duration) chain.Handler[*stages.Generation] {
			return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) { wait(d); return g, nil }
		}
		around := func(d time.Duration) chain.Interceptor {
			return func(ctx context.Context, next func(context.Context) error) error {
				wait(d)
				err := next(ctx)
				wait(d)
				return err
			}
		}
		hedge := func(ctx context.Context, next func(context.Context) error) error {
			wait(3 * time.Second)
			done := make(chan error, 2)
			for range 2 {
				go func() { done <- next(ctx) }()
			}
			return errors.Join(<-done, <-done)
		}
		other := chain.New("generation", chain.Config[*stages.Generation]{Tracer: p}) // as a hook that calls the model
		if _, err := other.Use(chain.Intercept[*stages.Generation]("other", around(time.Second))); err != nil {
			t.Fatal(err)
		}
		inner := other.Then(hook(9 * time.Second))
		if _, err := c.Use(
			chain.Intercept[*stages.Generation]("outer", around(time.Second), chain.Outer()),
			chain.Before("before", hook(2*time.Second)),
			chain.Before("concurrent 1", hook(4*time.Second), chain.InMode(chain.Concurrent)),
			chain.Before("concurrent 2", hook(5*time.Second), chain.InMode(chain.Concurrent)),
			chain.Before("calls", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
				return inner(ctx, g)
			}),
			chain.Intercept[*stages.Generation]("hedge", hedge),
			chain.Intercept[*stages.Generation]("shadow", around(7*time.Second), chain.InMode(chain.Audit)),
			chain.After("after", hook(6*time.Second)),
		); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Then(hook(10*time.Second))(t.Context(), stages.NewGeneration(stages.Meta{}, stages.GenerationFields{})); err != nil {
			t.Fatal(err)
		}
		r := p.Snapshot()
		for name, want := range map[string]time.Duration{
			"outer": 2 * time.Second, "before": 2 * time.Second, "concurrent 1": 4 * time.Second, "concurrent 2": 5 * time.Second,
			"calls": 11 * time.Second, "hedge": 3 * time.Second, "shadow": 14 * time.Second, "after": 6 * time.Second, "(handler)": 10 * time.Second,
		} {
			near(t, name, linkOf(t, r, "generation", name).Self.Max, want)
		}
		eq(t, "handlers, two of hedged nexts", linkOf(t, r, "generation", "(handler)").Samples, 3)
		eq(t, "with what it wraps", linkOf(t, r, "generation", "outer").Total, (2+2+5+11+3+10+14+6)*time.Second)
	})
}

// An Around that calls the model itself, and not by its next, spends its own time: through another chain, and through the same
// one in a request of its own.
func TestSelfTimeOfCallsInAnAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProfiler(t, profiler.Settings{SampleEvery: 1})
		begin, done := func(ctx context.Context, chainName, link string) context.Context {
			return p.LinkStart(ctx, chain.Traced{Chain: chainName, Link: link, Kind: chain.KindAround})
		}, func(ctx context.Context) { p.LinkEnd(ctx, chain.Traced{}, nil) }

		outer := begin(t.Context(), "generation", "outer")
		nested, err := stages.NewContext(outer, stages.Info{RequestID: "nested"})
		if err != nil {
			t.Fatal(err)
		}
		for _, inner := range []context.Context{begin(outer, "tool", "of another chain"), begin(nested, "generation", "of another request")} {
			wait(time.Second)
			done(inner)
		}
		inner := begin(outer, "generation", "in its next")
		wait(time.Second)
		done(inner)
		done(outer)
		near(t, "outer", linkOf(t, p.Snapshot(), "generation", "outer").Self.Max, 2*time.Second)
	})
}

// A stream: the time until the first chunk, to the backend's sender and to the reader.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProfiler(t, profiler.Settings{})
		s, _ := started(t, p, &plugintest.Model{ // the first chunk after two seconds, the other one three seconds later
			Turns: []plugintest.Turn{plugintest.Says("high water")},
			Before: func(ctx context.Context, piece int) error {
				select {
				case <-time.After(time.Duration(2+piece) * time.Second):
				case <-ctx.Done():
				}
				return ctx.Err()
			},
		})
		stream := s.Stream(t.Context(), "tide")
		for _, err := range stream.Text() {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, err := range s.Stream(t.Context(), "left early").Text() {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := p.Snapshot()
		near(t, "first chunk from the backend", rowOf(t, r.Stages, "", "", "generation").FirstChunk.P50, 2*time.Second)
		st := rowOf(t, r.Stages, "", "", "stream")
		eq(t, "streams", st.Counts, profiler.Counts{Calls: 2, Canceled: 1})
		near(t, "first chunk at the reader", st.FirstChunk.P50, 2*time.Second)
		near(t, "whole stream", st.Latency.Max, 5*time.Second)
	})
}

// A table of what may be wrong with settings is in TestConfig.
func TestDefaults(t *testing.T) {
	t.Parallel()
	if got := newProfiler(t, profiler.Settings{}).Snapshot(); got.SampleEvery != profiler.DefaultSampleEvery {
		t.Errorf("1 in %d", got.SampleEvery)
	}
	_, err := profiler.New(profiler.Settings{SampleEvery: -1, MaxKeys: 1 << 20, Sessions: -1})
	for _, name := range []string{"sample_every is -1", "max_keys is 1048576", "sessions is -1"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not say that %s", err, name)
		}
	}
}

// Where calls come in a pattern, each of them is sampled as often as the others: a count to a multiple or a divisor of the
// pattern's length would meet some always and others never.
func TestSampleOfAPattern(t *testing.T) {
	t.Parallel()
	const rounds = 50_000
	for _, every := range []int{1, 2, 16} {
		for _, length := range []int{2, 3, 16} {
			p, samples := newProfiler(t, profiler.Settings{SampleEvery: every}), make([]float64, length)
			for range rounds {
				for i := range samples {
					if p.Sample(t.Context()) {
						samples[i]++
					}
				}
			}
			share := 1 / float64(every)
			mean, off := rounds*share, 7*math.Sqrt(rounds*share*(1-share)) // 7 standard deviations: once in 10^11 runs
			for i, n := range samples {
				if math.Abs(n-mean) > off {
					t.Errorf("1 in %d: call %d of %d was sampled %.0f times, want %.0f ± %.0f", every, i, length, n, mean, off)
				}
			}
		}
	}
}

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	p := newProfiler(t, profiler.Settings{})
	g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{})
	sam := stages.NewSampling(stages.Meta{}, stages.SamplingFields{})
	com := stages.NewComponent(stages.Meta{}, stages.ComponentFields{})
	ev := stages.NewStreamEvent(stages.Meta{}, stages.StreamEventFields{Phase: stages.StreamEnd})
	tool := stages.NewTool(stages.Meta{}, stages.ToolFields{})
	val := stages.NewValidation(stages.Meta{}, stages.ValidationFields{})
	for name, run := range map[string]func(*testing.T){
		"session":        conforms(stages.NewSession(stages.Meta{}, stages.SessionFields{}), p.ObserveSession),
		"reset":          conforms(stages.NewReset(stages.Meta{}, stages.ResetFields{}), p.ObserveReset),
		"cleanup":        conforms(stages.NewCleanup(stages.Meta{}, stages.CleanupFields{}), p.ObserveCleanup),
		"create":         conforms(stages.NewCreate(stages.Meta{}, stages.CreateFields{}), p.ObserveCreate),
		"component":      conforms(com, p.ObserveComponent),
		"sampling":       conforms(sam, p.ObserveSampling),
		"generation":     conforms(g, p.ObserveGeneration),
		"stream":         conforms(ev, p.ObserveStream),
		"validation":     conforms(val, p.ObserveValidation),
		"repair":         conforms(stages.NewRepair(stages.Meta{}, stages.RepairFields{}), p.ObserveRepair),
		"tool":           conforms(tool, p.ObserveTool),
		"adapter_load":   conforms(stages.NewAdapter(stages.Meta{}, stages.AdapterFields{}), p.ObserveAdapterLoad),
		"adapter_unload": conforms(stages.NewAdapter(stages.Meta{}, stages.AdapterFields{}), p.ObserveAdapterUnload),
	} {
		t.Run(name, run)
	}
}

func conforms[P any](payload *P, observe func(context.Context, chain.Outcome[*P])) func(*testing.T) {
	return func(t *testing.T) {
		chaintest.Run(t, chain.Observe("x", observe), chaintest.Payload(func() *P { return payload }))
	}
}
