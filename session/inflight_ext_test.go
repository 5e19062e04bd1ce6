package session_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// crowd is a backend whose n requests wait for each other, and then each do what is said for them, in the order in which
// they came.
type crowd struct {
	arrived atomic.Int64
	all     chan struct{}
	do      []func(ctx context.Context) (string, error)
}

func gather(do ...func(ctx context.Context) (string, error)) *crowd {
	return &crowd{all: make(chan struct{}), do: do}
}

func (b *crowd) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	n := int(b.arrived.Add(1))
	if n > len(b.do) {
		return nil, errScript
	}
	if n == len(b.do) {
		close(b.all)
	}
	<-b.all
	text, err := b.do[n-1](ctx)
	if err != nil {
		return nil, err
	}
	return g.Done(stages.GenerationResult{Output: stages.Output{Text: text, Usage: stages.Usage{OutputTokens: 1}}}), nil
}

func says(text string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, nil }
}

func refuses(err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return "", err }
}

// cancelled waits until nobody wants the answer any more.
func cancelled(ctx context.Context) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// stubborn waits too, and answers all the same.
func stubborn(ctx context.Context) (string, error) {
	<-ctx.Done()
	return "yes, late", nil
}

// The attempts of a step are in flight at once; the first that passes cancels the others, which count for nothing.
func TestFirstSuccessCancelsTheRest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		rest   func(context.Context) (string, error)
		tokens int
	}{
		{"which heed it", cancelled, 1},
		{"which do not", stubborn, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(gather(tc.rest, says("yes"), tc.rest)), session.WithSetup(rec.register))
			res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
				session.Using(session.RejectionSampling{LoopBudget: 2, Concurrency: 3}))
			if err != nil || !res.Success || res.Text() != "yes" || res.Attempts.Len() != 1 {
				t.Fatalf("got %+v, %v", res, err)
			}
			for hook, want := range map[string]int{
				"generation_pre_call": 3, "validation_pre_check": 1, "sampling_iteration": 1, "sampling_repair": 0,
				"sampling_loop_end": 1, "error_occurred": 0,
			} {
				if got := rec.count(hook); got != want {
					t.Errorf("%s fired %d times, want %d", hook, got, want)
				}
			}
			if res.Usage.OutputTokens != tc.tokens || s.Totals().Generations != 3 {
				t.Errorf("usage %+v, totals %+v", res.Usage, s.Totals())
			}
		})
		t.Run(tc.name+", without a link", func(t *testing.T) {
			t.Parallel()
			s := start(t, session.WithBackend(gather(tc.rest, says("yes"), tc.rest)))
			res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
				session.Using(session.RejectionSampling{LoopBudget: 2, Concurrency: 3}))
			if err != nil || !res.Success || res.Text() != "yes" || res.Attempts.Len() != 1 {
				t.Fatalf("got %+v, %v", res, err)
			}
		})
	}
}

// What was checked before the decision is on record, and every number is given once.
func TestIterationsAreNumberedOnce(t *testing.T) {
	t.Parallel()
	const atOnce, budget = 8, 3
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register))
	res, err := s.Instruct(t.Context(), "no", session.Require(unsaid("yes")),
		session.Using(session.RejectionSampling{LoopBudget: budget, Concurrency: atOnce}))
	if err != nil || res.Success || res.Attempts.Len() != atOnce*budget || res.FailureReason != "no answer passed in 24 attempts" {
		t.Fatalf("got %+v, %v", res, err)
	}
	n := 0
	for _, e := range rec.all() {
		switch p := e.payload.(type) {
		case *stages.Iteration:
			if n++; p.Number() != n || p.Remaining() != atOnce*budget-n {
				t.Errorf("iteration %d with %d left comes as number %d", p.Number(), p.Remaining(), n)
			}
		case *stages.Repair:
			if p.Past().Len() != atOnce*(p.Number()-1) {
				t.Errorf("repair %d after %d attempts of earlier steps", p.Number(), p.Past().Len())
			}
		}
	}
	if n != atOnce*budget || rec.count("sampling_repair") != budget-1 {
		t.Errorf("%d iterations, %d repairs", n, rec.count("sampling_repair"))
	}
}

// An attempt that has been checked when another one succeeds is part of the results too.
func TestResultsAreComplete(t *testing.T) {
	t.Parallel()
	checked := make(chan struct{}, 2)
	s := start(t, session.WithBackend(gather(says("no"), says("no"), func(context.Context) (string, error) {
		<-checked
		<-checked
		return "yes", nil
	})))
	use(t, s.Pipeline().Iteration, chain.After("tell", func(_ context.Context, i *stages.Iteration) (*stages.Iteration, error) {
		checked <- struct{}{}
		return i, nil
	}))
	res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
		session.Using(session.TemplateRepair{LoopBudget: 1, Concurrency: 3}))
	if err != nil || !res.Success || res.Text() != "yes" || res.Attempts.Len() != 3 || res.Attempts.At(2).Result.Text != "yes" {
		t.Errorf("got %+v, %v", res, err)
	}
}

// An attempt that was checked already when another one succeeded is on record. A block at its sampling_iteration comes too
// late, a link that fails there fails the call.
func TestTheAttemptAfterTheSuccess(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]error{"seen": nil, "blocked": chain.Block("not here"), "failed": errDown} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec, checked := &recorder{}, make(chan struct{}, 2)
			s := start(t, session.WithBackend(gather(says("yes"), says("yes"))), session.WithSetup(rec.register))
			use(t, s.Pipeline().Validation, chain.Observe("tell", func(context.Context, chain.Outcome[*stages.Validation]) {
				checked <- struct{}{}
			}))
			use(t, s.Pipeline().Iteration, chain.After("wait", func(_ context.Context, i *stages.Iteration) (*stages.Iteration, error) {
				if i.Number() == 2 {
					return i, second
				}
				<-checked
				<-checked
				return i, nil
			}))
			res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
				session.Using(session.RejectionSampling{LoopBudget: 1, Concurrency: 2}))
			end := last[*stages.Sampling](t, rec, "sampling_loop_end")
			if end.Attempts().Len() != 2 || end.Success() != (name != "failed") || end.FailureReason() != "" {
				t.Errorf("sampling_loop_end got %+v", end)
			}
			switch {
			case name == "failed":
				if !errors.Is(err, errDown) {
					t.Errorf("got %v", err)
				}
			case err != nil || !res.Success:
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
}

// The backend's error is returned only when nothing succeeded; what a link decides is decided.
func TestErrorsOfAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	errLink := errors.New("the filter is lost")
	for _, tc := range []struct {
		name     string
		do       []func(context.Context) (string, error) // two at once
		post     func(g *stages.Generation) error
		success  bool
		attempts int
		err      error
		blocked  bool
	}{
		{name: "an error and a success", do: slices.Concat(one(refuses(errDown)), one(says("yes"))), success: true, attempts: 1},
		{name: "a panic and a success", do: slices.Concat(one(func(context.Context) (string, error) { panic("no memory") }), one(says("yes"))), success: true, attempts: 1},
		{name: "an error and no success", do: slices.Concat(one(refuses(errDown)), one(says("no"))), attempts: 2},
		{name: "two errors", do: slices.Concat(one(refuses(errDown)), one(refuses(errDown))), attempts: 2, err: errDown},
		{name: "Goexit", do: slices.Concat(one(func(context.Context) (string, error) { runtime.Goexit(); return "", nil }), one(cancelled)), err: chain.ErrGoexit},
		{
			name: "a block cancels the others", do: slices.Concat(one(says("secret")), one(cancelled)), blocked: true,
			post: func(*stages.Generation) error { return chain.Block("not here", chain.Code("test")) },
		},
		{
			name: "a link that fails cancels the others", do: slices.Concat(one(says("secret")), one(cancelled)), err: errLink,
			post: func(*stages.Generation) error { return errLink },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(gather(tc.do...)), session.WithSetup(rec.register))
			if tc.post != nil {
				use(t, s.Pipeline().Generation, chain.After("filter", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
					return g, tc.post(g)
				}))
			}
			res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
				session.Using(session.RejectionSampling{LoopBudget: 1, Concurrency: 2}))
			end := last[*stages.Sampling](t, rec, "sampling_loop_end")
			if tc.success && end.Attempts().Len() == tc.attempts+1 { // the error came before the success
				tc.attempts++
			}
			if !tc.blocked && !errors.Is(end.Err(), tc.err) || end.Success() != tc.success || end.Attempts().Len() != tc.attempts || end.Iterations() != tc.attempts {
				t.Errorf("sampling_loop_end got %+v", end)
			}
			switch {
			case tc.blocked:
				wantBlock(t, err, "generation")
			case !errors.Is(err, tc.err):
				t.Errorf("got %v, want %v", err, tc.err)
			case err == nil && (res.Success != tc.success || res.Attempts.Len() != tc.attempts):
				t.Errorf("got %+v", res)
			}
		})
	}
}

// unsaid is mentions, but the model is not told.
func unsaid(what string) stages.Requirement {
	r := mentions(what)
	r.CheckOnly = true
	return r
}

func one(f func(context.Context) (string, error)) []func(context.Context) (string, error) {
	return []func(context.Context) (string, error){f}
}

// A block at sampling_iteration ends the loop without success, also when another attempt would have passed.
func TestBlockedIterationAmongSeveral(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(gather(says("no"), cancelled)))
	use(t, s.Pipeline().Iteration, chain.After("stop", blocking[*stages.Iteration]))
	res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
		session.Using(session.RejectionSampling{LoopBudget: 3, Concurrency: 2}))
	if err != nil || res.Success || res.Attempts.Len() != 1 || res.FailureReason == "" {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A panic that the pipeline lets through comes out where the call was made, and nothing is left running.
func TestPassPanicOfAnAttempt(t *testing.T) {
	t.Parallel()
	p := stages.NewPipeline(stages.PipelineConfig{PassPanic: func(v any) bool { return v == http.ErrAbortHandler }})
	s := start(t, session.WithPipeline(p), session.WithBackend(gather(
		func(context.Context) (string, error) { panic(http.ErrAbortHandler) }, cancelled)))
	v := func() (v any) {
		defer func() { v = recover() }()
		_, _ = s.Instruct(t.Context(), "Say yes.", session.Using(session.RejectionSampling{LoopBudget: 1, Concurrency: 2}))
		return nil
	}()
	if v != http.ErrAbortHandler {
		t.Errorf("%v came through", v)
	}
}

// The caller's cancellation and the session's end reach all attempts.
func TestCancellationReachesAllAttempts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		end  func(s *session.Session, cancel func()) error
		want error
	}{
		{"the caller", func(_ *session.Session, cancel func()) error { cancel(); return nil }, context.Canceled},
		{"the session", func(s *session.Session, _ func()) error {
			done, cancel := context.WithCancel(context.Background())
			cancel()
			return s.Close(done)
		}, session.ErrClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := gather(cancelled, cancelled, cancelled)
			s, err := session.Start(t.Context(), session.WithBackend(b), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := make(chan error, 1)
			go func() {
				_, err := s.Instruct(ctx, "Say yes.", session.Using(session.RejectionSampling{LoopBudget: 2, Concurrency: 3}))
				got <- err
			}()
			<-b.all
			ended := tc.end(s, cancel)
			if err := <-got; !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v; the end: %v", err, tc.want, ended)
			}
			_ = s.Close(t.Context())
			if n := b.arrived.Load(); n != 3 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Many sessions' worth of loops at once: for the race detector, and every turn is whole.
func TestLoopsWithAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register), session.WithTools(tideTool()))
	done := make(chan *session.Result)
	for i := range 32 {
		go func() {
			text := []string{"yes", "no"}[i%2]
			res, err := s.Instruct(t.Context(), text, session.Require(unsaid("yes")),
				session.Using(session.RejectionSampling{LoopBudget: 2, Concurrency: 4}))
			if err != nil || res.Success != (text == "yes") || res.Success && res.Text() != "yes" {
				t.Errorf("got %+v, %v", res, err)
			}
			done <- res
		}()
	}
	for range 32 {
		<-done
	}
	if s.History().Len() != 64 {
		t.Errorf("%d messages", s.History().Len())
	}
}
