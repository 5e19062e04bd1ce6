package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/bench/stack"
	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// newLoad is the realistic stack with links that misbehave, and observers that count.
func newLoad(ctx context.Context, path string) (*load, error) {
	l := new(load)
	f := &l.faults
	var err error
	if l.file, err = audit.OpenFile(path, audit.FileOptions{Fsync: audit.FsyncInterval}); err != nil {
		return nil, err
	}
	if l.plugins, err = stack.New(l.failing()); err != nil {
		return nil, err
	}
	l.pipeline = stages.NewPipeline(stages.PipelineConfig{Tracer: l.plugins.Tracer()})
	if _, err = l.pipeline.Register(ctx, l.plugins.Plugins()...); err != nil {
		return nil, err
	}
	_, err = l.pipeline.Generation.Use(
		chain.Before("panics", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if f.every(0, 250) {
				panic("a link's own panic")
			}
			return g, nil
		}, chain.TripAfter(never)),
		chain.Before(failsOpen, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if f.burst(1, 20, 400) {
				return nil, errors.New("a link's own error")
			}
			return g, nil
		}, chain.OnFailure(chain.Ignore), chain.TripAfter(failuresToTrip), chain.Breaker(gobreaker.Settings{Timeout: time.Second})),
		chain.Before("hangs", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			if f.every(2, 250) {
				<-ctx.Done()
			}
			return g, nil
		}, chain.Timeout(5*time.Millisecond), chain.OnFailure(chain.Ignore), chain.TripAfter(never)),
		chain.Around("middleware", func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
			return func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) { return next(ctx, g) }
		}),
		chain.Observe("background", func(context.Context, chain.Outcome[*stages.Generation]) {}, chain.InMode(chain.FireAndForget)),
	)
	if err != nil {
		return nil, err
	}
	_, err = l.pipeline.Component.Use(chain.Observe("outcomes", func(_ context.Context, o chain.Outcome[*stages.Component]) {
		l.verdicts[o.Verdict].Add(1)
	}))
	return l, errors.Join(err, l.count())
}

// count has an observer on each stage that the audit records, so that there is a count which the audit has no part in.
func (l *load) count() error {
	p := l.pipeline
	return errors.Join(
		count(l, p.Session), count(l, p.Reset), count(l, p.Cleanup), count(l, p.Create), count(l, p.Component), count(l, p.Generation),
		count(l, p.Chunk), count(l, p.Stream), count(l, p.Validation), count(l, p.Sampling), count(l, p.Iteration), count(l, p.Repair),
		count(l, p.Tool), count(l, p.AdapterLoad), count(l, p.AdapterUnload), count(l, p.HistoryChange), count(l, p.Fault),
	)
}

func count[P any](l *load, c *chain.Chain[P]) error {
	skip := c.Name() == stack.SkipAllowed
	_, err := c.Use(chain.Observe("count", func(_ context.Context, o chain.Outcome[P]) {
		if !skip || o.Verdict != chain.Allowed {
			l.audited.Add(1)
		}
	}))
	return err
}

const never = 1 << 31

// failsOpen is the link whose breaker opens, since its errors come in bursts, and closes again.
const (
	failsOpen      = "fails open"
	failuresToTrip = 8
)

// faults count how often each could have happened.
type faults [8]atomic.Int64

// every is true one time in n for each of the places.
func (f *faults) every(place, n int) bool { return f[place].Add(1)%int64(n) == 0 }

// burst is true for the first some of every n times.
func (f *faults) burst(place, some, n int) bool { return f[place].Add(1)%int64(n) < int64(some) }

// failing is the file as a sink that refuses a batch every ten seconds while calls are made: for a second records wait, then they come
// again. What a file refuses to the very end would be lost, as it must be.
func (l *load) failing() audit.Sink {
	var failed time.Time // Write is called once at a time
	return audit.SinkFunc(func(ctx context.Context, batch []*audit.Record) error {
		if !l.over.Load() && l.faults.every(3, 50) && time.Since(failed) > 10*time.Second {
			failed = time.Now()
			return errors.New("the disk is busy")
		}
		return l.file.Write(ctx, batch)
	})
}

var errDown = errors.New("the backend is down")

// backend answers at once, whole or in pieces, and has its bad days.
type backend struct{ *load }

func (b backend) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return b.GenerateStream(ctx, g, func(string) error { return nil })
}

func (b backend) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	switch {
	case b.faults.every(4, 100):
		return nil, errDown
	case b.faults.every(5, 250):
		panic("a backend's panic")
	case b.faults.every(6, 100):
		ctx.Value(caller{}).(context.CancelFunc)() // gives up now
		<-ctx.Done()
		return nil, ctx.Err()
	}
	const pieces = 8
	for i := range pieces {
		if err := emit(stack.Answer[len(stack.Answer)*i/pieces : len(stack.Answer)*(i+1)/pieces]); err != nil {
			return nil, err
		}
	}
	return g.Done(stages.GenerationResult{Output: stages.Output{Text: stack.Answer, FinishReason: stages.FinishStop}, Chunks: pieces}), nil
}

// caller is the key of the function by which a call is given up.
type caller struct{}

// turns are how many calls a session makes: each goes through the links with all that was said before.
const turns = 10

// enough is how many calls are made also when the time is over, half of them in each phase: by then each fault has happened. After many
// the cache is full.
const (
	enough = 600
	many   = 20_000
)

// work makes calls until the time is over, or later if there are fewer than at least.
func (l *load) work(ctx context.Context, seed uint64, atLeast int64, latencies *hdrhistogram.Histogram) {
	r := rand.New(rand.NewPCG(seed, 7))
	goesOn := func() bool { return ctx.Err() == nil || sum(&l.called) < atLeast }
	whole := context.WithoutCancel(ctx) // the end of the run cuts no call off
	for goesOn() {
		s, err := session.Start(whole, session.WithPipeline(l.pipeline), session.WithBackend(backend{l}), session.WithUser("u-1"), session.WithModel(stack.Model))
		if err != nil {
			panic(err)
		}
		for n := 0; n < turns && goesOn(); n++ {
			start := time.Now()
			verdict := l.call(whole, s, r)
			_ = latencies.RecordValue(min(int64(time.Since(start)), latencies.HighestTrackableValue()))
			l.called[verdict].Add(1)
		}
		if err := s.Close(whole); err != nil {
			panic(err)
		}
	}
}

// call is one call, with a context that its caller can give up.
func (l *load) call(ctx context.Context, s *session.Session, r *rand.Rand) chain.Verdict {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = context.WithValue(ctx, caller{}, cancel)
	prompt := stack.Prompt(r.IntN(1 << 30))
	switch {
	case l.faults.every(7, 50):
		prompt += " And where do I get " + stack.Forbidden + "?"
	case r.IntN(6) == 0:
		prompt = stack.Prompt(r.IntN(2)) // asked before, and answered from the cache where it begins a session
	}
	if r.IntN(4) > 0 {
		_, err := s.Instruct(ctx, prompt)
		return verdictOf(ctx, err)
	}
	l.streams.Add(1)
	st := s.Stream(ctx, prompt)
	leave := r.IntN(100) == 0
	for _, err := range st.Text() {
		if leave || err != nil {
			break
		}
	}
	_, err := st.Result()
	return verdictOf(ctx, err)
}

// verdictOf is what a caller makes of an error.
func verdictOf(ctx context.Context, err error) chain.Verdict {
	var blocked *chain.Violation
	switch {
	case err == nil:
		return chain.Allowed
	case errors.As(err, &blocked):
		return chain.Blocked
	case ctx.Err() != nil, errors.Is(err, session.ErrStreamClosed):
		return chain.Canceled
	}
	return chain.Failed
}
