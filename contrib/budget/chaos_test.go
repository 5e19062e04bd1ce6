package budget

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// dice are what goes wrong in a call.
type dice struct{ sync.Map } // by correlation id

func (d *dice) of(g *stages.Generation) *rand.Rand {
	r, _ := d.Load(g.Meta().CorrelationID)
	return r.(*rand.Rand)
}

// TestChaos lets 64 callers spend three budgets while hooks, caches, retries and the backend fail in all ways, and somebody
// looks at the books all the time.
func TestChaos(t *testing.T) {
	const limit, calls = 40_000, 60
	var (
		rolls dice
		taken atomic.Int64 // by what the backend says or must be assumed
		used  = stages.Usage{InputTokens: 9, OutputTokens: 30}
	)
	roll := func(name string, prio int) chain.Link[*stages.Generation] {
		return before(name, prio, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			switch rolls.of(g).IntN(20) {
			case 0:
				return nil, chain.Block("no")
			case 1:
				return nil, errBackend
			case 2:
				panic("boom")
			case 3:
				runtime.Goexit()
			case 4:
				return g.WithMessages(g.Messages().Append(stages.Message{Text: "more"})), nil
			}
			return g, nil
		}).With(chain.TripAfter(1 << 30)) // an open breaker would end the test
	}
	limits := []Limit{
		{Name: "all", Tokens: limit},
		{Name: "user", Per: []Dimension{PerUser}, Tokens: limit / 2, Action: Cap},
		{Name: "request", Per: []Dimension{PerRequest}, Tokens: 300},
	}
	k := newKit(t, Settings{Limits: limits}, roll("early", 10), roll("late", 45),
		around("cache", 20, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
			if rolls.of(g).IntN(10) == 0 {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: used}, Source: stages.SourceCache}), nil
			}
			return next(ctx, g)
		}),
		around("retry", 50, func(ctx context.Context, g *stages.Generation, next handler) (out *stages.Generation, err error) {
			for range 3 {
				if out, err = next(ctx, g); err == nil || ctx.Err() != nil {
					return out, err
				}
			}
			return out, err
		}),
		around("again", 50, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
			out, err := next(ctx, g)
			if err != nil && rolls.of(g).IntN(3) == 0 {
				return next(ctx, g)
			}
			return out, err
		}, chain.Outer()))
	type cancelKey struct{}
	backend := func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		used := used
		most, _ := g.ModelOptions().MaxTokens.Get()
		used.OutputTokens = min(used.OutputTokens, most)
		in := int64(perRequest + g.Messages().Len()*(perMessage+10))
		switch rolls.of(g).IntN(9) {
		case 0:
			return nil, errBackend
		case 1:
			taken.Add(int64(used.Total()))
			return breaks(used, "half", errBackend)(ctx, g)
		case 2:
			taken.Add(in + 10)
			return breaks(stages.Usage{}, "half", errBackend)(ctx, g)
		case 3:
			taken.Add(in)
			panic("boom")
		case 4:
			taken.Add(in)
			runtime.Goexit()
		case 5:
			taken.Add(in)
			ctx.Value(cancelKey{}).(context.CancelFunc)()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		taken.Add(int64(used.Total()))
		runtime.Gosched()
		return answer(used, "hi")(ctx, g)
	}
	call := k.pipe.Generation.Then(backend)

	ctx, stop := context.WithCancel(t.Context())
	var watcher, wg sync.WaitGroup
	watcher.Go(func() {
		for ctx.Err() == nil {
			for _, l := range limits[:2] {
				u, err := k.p.Usage(t.Context(), Key{Limit: l.Name, User: "ada"})
				if err != nil || u.Settled+u.Reserved > u.Max || u.Settled < 0 || u.Reserved < 0 || u.Overdraft != 0 {
					t.Errorf("%v, %v", u, err)
					return
				}
			}
		}
	})
	var blocked atomic.Int64
	for n := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for i := range calls {
				id := fmt.Sprintf("%d-%d", n, i)
				rolls.Store(id, r)
				done := make(chan struct{})
				go func() { // which Goexit ends
					defer close(done)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					_, err := call(context.WithValue(ctx, cancelKey{}, cancel), payload(id, 40+r.IntN(100)))
					var v *chain.Violation
					if errors.As(err, &v) && v.Code == CodeExceeded {
						blocked.Add(1)
					}
				}()
				<-done
			}
		})
	}
	wg.Wait()
	stop()
	watcher.Wait()
	k.want("all", taken.Load(), 0, 0)
	k.want("user", taken.Load(), 0, 0)
	if blocked.Load() == 0 {
		t.Error("no call was blocked: the test does not test what it should")
	}
	t.Logf("%d tokens used, %d calls blocked", taken.Load(), blocked.Load())
	m := k.p.store.(*Memory)
	if len(m.held) != 0 || m.queue.Len() != 0 {
		t.Errorf("%d reservations are left", len(m.held))
	}
	for key, a := range m.accounts {
		if a.Reserved != 0 || a.live != 0 {
			t.Errorf("%s has %+v", key, a)
		}
	}
}

// TestCapUnderContention: capped calls share what there is, and none of it is lost.
func TestCapUnderContention(t *testing.T) {
	const limit = 2000
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: limit, Action: Cap}}})
	call := k.pipe.Generation.Then(spends)
	var wg sync.WaitGroup
	var served atomic.Int64
	for n := range 64 {
		wg.Go(func() {
			if out, err := call(t.Context(), payload(fmt.Sprint("c", n), 100)); err == nil {
				o, _ := out.ModelOptions().MaxTokens.Get()
				served.Add(int64(input + o))
			}
		})
	}
	wg.Wait()
	k.want("all", served.Load(), 0, 0)
	if got := served.Load(); got > limit || got < limit-input-MinOutput {
		t.Errorf("%d of %d were served", got, limit)
	}
}
