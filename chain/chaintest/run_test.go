package chaintest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
)

type load struct {
	N    int
	tags []string
	meta map[string]string
}

func newLoad() *load { return &load{tags: []string{"a"}, meta: map[string]string{"k": "v"}} }

type (
	handler = chain.Handler[*load]
	link    = chain.Link[*load]
)

// through makes an Around of a function that gets next.
func through(f func(ctx context.Context, p *load, next handler) (*load, error)) link {
	return chain.Around("bad", func(next handler) handler {
		return func(ctx context.Context, p *load) (*load, error) { return f(ctx, p, next) }
	})
}

// onlyContext is for slow links.
func onlyContext(opts ...Option) []Option {
	for _, c := range []Check{CheckNext, CheckPayload, CheckErrors, CheckRecovery, CheckHammer} {
		opts = append(opts, Without(c, "it would take too long"))
	}
	return opts
}

// failed runs the checks that apply and gives the complaints of those that a link does not pass.
func failed(t *testing.T, l link, opts ...Option) map[Check]list {
	t.Helper()
	opts = append([]Option{Payload(newLoad)}, opts...)
	s, err := newSubject(l, newConfig(opts))
	if err != nil {
		t.Fatal(err)
	}
	failed := map[Check]list{}
	for _, c := range s.checks() {
		if _, out := s.without[c.name]; out {
			continue
		}
		if complaints := c.run(); len(complaints) > 0 {
			failed[c.name] = complaints
		}
		if c.name == CheckUsable && len(failed) > 0 {
			break
		}
	}
	return failed
}

func TestBadLinksFail(t *testing.T) {
	// What fails beside the check that a link is bad for follows from the same fault.
	for _, tc := range []struct {
		name  string
		link  func(release <-chan struct{}) link
		hangs bool // so patience is short, and on a busy machine other checks may lose it too
		opts  []Option
		want  []Check
		text  string // of a complaint of the first check in want
	}{
		{
			name: "usable: no name",
			link: func(<-chan struct{}) link { return chain.Before("", echo[*load]) },
			want: []Check{CheckUsable}, text: "a chain refuses it",
		},
		{
			name: "usable: a middleware without handler",
			link: func(<-chan struct{}) link { return chain.Around("bad", func(handler) handler { return nil }) },
			want: []Check{CheckUsable}, text: "nil handler",
		},
		{
			name: "usable: neither payload nor error",
			link: func(<-chan struct{}) link {
				return chain.Before("bad", func(context.Context, *load) (*load, error) { return nil, nil })
			},
			want: []Check{CheckUsable}, text: "neither a payload nor an error",
		},
		{
			name: "usable: blocks the payload",
			link: func(<-chan struct{}) link { return chain.Before("bad", Hook[*load](Error(chain.Block("no")))) },
			want: []Check{CheckUsable}, text: "give a chaintest.Payload that it lets through",
		},
		{
			name: "usable: panics",
			link: func(<-chan struct{}) link { return chain.Observe("bad", Observer[*load](Panic("boom"))) },
			want: []Check{CheckUsable}, text: "panicked: boom",
		},
		{
			name: "usable: hangs", hangs: true,
			link: func(release <-chan struct{}) link { return chain.After("bad", Hook[*load](Stuck(release))) },
			want: []Check{CheckUsable}, text: "did not return",
		},
		{
			name: "next: twice when it succeeds",
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					if out, err := next(ctx, p); err != nil {
						return out, err
					}
					return next(ctx, p)
				})
			},
			want: []Check{CheckNext, CheckHammer}, text: "called 2 times in a call whose next succeeds; 1 allowed",
		},
		{
			name: "next: one attempt too many when it fails",
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (out *load, err error) {
					for range 3 {
						if out, err = next(ctx, p); err == nil {
							break
						}
					}
					return out, err
				})
			},
			opts: []Option{MaxNext(2)},
			want: []Check{CheckNext, CheckHammer}, text: "called 3 times in a call whose next fails; 2 allowed",
		},
		{
			name: "next: for ever when it fails",
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					for {
						if out, err := next(ctx, p); err == nil {
							return out, nil
						}
					}
				})
			},
			want: []Check{CheckNext, CheckErrors, CheckHammer}, text: "101 times in a call whose next fails",
		},
		{
			name: "context: replaced", hangs: true,
			link: func(<-chan struct{}) link {
				return through(func(_ context.Context, p *load, next handler) (*load, error) {
					return next(context.Background(), p)
				})
			},
			want: []Check{CheckContext}, text: "does not carry the values",
		},
		{
			name: "context: cancellation taken out", hangs: true,
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					return next(context.WithoutCancel(ctx), p)
				})
			},
			want: []Check{CheckContext}, text: "was not cancelled within",
		},
		{
			name: "context: done before the call", hangs: true,
			link: func(release <-chan struct{}) link {
				return chain.Before("bad", func(ctx context.Context, p *load) (*load, error) {
					if ctx.Err() != nil {
						<-release
					}
					return p, nil
				})
			},
			want: []Check{CheckContext, CheckHammer, CheckGoroutines, CheckNext}, text: "called with a cancelled context it did not return",
		},
		{
			name: "context: keeps waiting between attempts", hangs: true,
			link: func(release <-chan struct{}) link {
				var calls atomic.Int64
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					out, err := next(ctx, p)
					if errors.Is(err, errBackend) && calls.Add(1) == 2 { // the first is CheckNext's
						<-release
					}
					return out, err
				})
			},
			want: []Check{CheckContext, CheckGoroutines}, text: "next had failed before",
		},
		{
			name: "context: sleeps before its work",
			link: func(<-chan struct{}) link {
				return chain.Before("bad", func(_ context.Context, p *load) (*load, error) { <-time.After(2 * prompt); return p, nil })
			},
			opts: onlyContext(),
			want: []Check{CheckContext}, text: "called with a cancelled context it returned only after",
		},
		{
			name: "context: sleeps between attempts",
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					if out, err := next(ctx, p); err == nil {
						return out, nil
					}
					<-time.After(2 * prompt)
					return next(ctx, p)
				})
			},
			opts: onlyContext(MaxNext(2)),
			want: []Check{CheckContext}, text: "when its call was cancelled after next had failed it returned only after",
		},
		{
			name: "context: takes its time when next was cancelled",
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					out, err := next(ctx, p)
					if errors.Is(err, errCanceled) {
						<-time.After(2 * prompt)
					}
					return out, err
				})
			},
			opts: onlyContext(),
			want: []Check{CheckContext}, text: "cancelled while next was running it returned only after",
		},
		{
			name: "payload: an exported field",
			link: func(<-chan struct{}) link {
				return chain.Before("bad", func(_ context.Context, p *load) (*load, error) { p.N++; return p, nil })
			},
			opts: []Option{Without(CheckHammer, "a race")},
			want: []Check{CheckPayload}, text: "payload.N was",
		},
		{
			name: "payload: an unexported map, in an observer",
			link: func(<-chan struct{}) link {
				return chain.Observe("bad", func(_ context.Context, o chain.Outcome[*load]) { o.Payload.meta["x"] = "y" })
			},
			opts: []Option{Without(CheckHammer, "a race")},
			want: []Check{CheckPayload}, text: "payload.meta was map of 1",
		},
		{
			name: "payload: under a lock, so that it is no race",
			link: func(<-chan struct{}) link {
				var mu sync.Mutex
				return chain.Before("bad", func(_ context.Context, p *load) (*load, error) {
					mu.Lock()
					defer mu.Unlock()
					p.N++
					return p, nil
				})
			},
			want: []Check{CheckHammer, CheckPayload}, text: "changed a payload in place that 64 goroutines share: payload.N was 0",
		},
		{
			name: "payload: next's result",
			link: func(<-chan struct{}) link {
				return chain.After("bad", func(_ context.Context, p *load) (*load, error) { p.tags[0] = "b"; return p, nil })
			},
			opts: []Option{Without(CheckHammer, "a race")},
			want: []Check{CheckPayload}, text: `next's result in place: payload.tags[0] was "a" and is now "b"`,
		},
		{
			name: "errors: swallowed",
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					if out, err := next(ctx, p); err == nil {
						return out, nil
					}
					return p, nil
				})
			},
			want: []Check{CheckErrors}, text: "the caller got <nil>",
		},
		{
			name: "errors: replaced",
			link: func(<-chan struct{}) link {
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					out, err := next(ctx, p)
					if err != nil {
						err = errors.New("something went wrong")
					}
					return out, err
				})
			},
			want: []Check{CheckErrors}, text: "the caller got something went wrong",
		},
		{
			name: "recovery: a lock left held", hangs: true,
			link: func(release <-chan struct{}) link {
				lock := make(chan struct{}, 1)
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					select {
					case lock <- struct{}{}:
					case <-release:
						return p, nil
					}
					out, err := next(ctx, p)
					<-lock
					return out, err
				})
			},
			want: []Check{CheckRecovery, CheckHammer, CheckGoroutines}, text: "the following call did not return",
		},
		{
			name: "hammer: one at a time only",
			link: func(<-chan struct{}) link {
				var inside atomic.Int64
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					defer inside.Add(-1)
					if inside.Add(1) > 1 {
						panic("not safe for concurrent use")
					}
					return next(ctx, p)
				})
			},
			want: []Check{CheckHammer}, text: "not safe for concurrent use",
		},
		{
			name: "hammer: tokens that cancelled calls do not give back", hangs: true,
			link: func(release <-chan struct{}) link {
				tokens := make(chan struct{}, 8)
				return through(func(ctx context.Context, p *load, next handler) (*load, error) {
					select {
					case tokens <- struct{}{}:
					case <-release:
						return p, nil
					}
					defer func() {
						if ctx.Err() == nil {
							<-tokens
						}
					}()
					return next(ctx, p)
				})
			},
			want: []Check{CheckHammer, CheckGoroutines}, text: "though their contexts were cancelled",
		},
		{
			name: "goroutines: one left behind per call",
			link: func(release <-chan struct{}) link {
				leak := First(8, func(context.Context) error {
					go func() { <-release }()
					return nil
				})
				return chain.Before("bad", Hook[*load](leak))
			},
			want: []Check{CheckGoroutines}, text: "left goroutines behind",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			if tc.hangs {
				tc.opts = append(tc.opts, Patience(300*time.Millisecond))
			}
			got := failed(t, tc.link(release), tc.opts...)
			for c, complaints := range got {
				if !tc.hangs && !slices.Contains(tc.want, c) {
					t.Errorf("failed check %s too: %q", c, complaints)
				}
			}
			for _, c := range tc.want {
				if len(got[c]) == 0 {
					t.Errorf("passed check %s", c)
				}
			}
			if text := strings.Join(got[tc.want[0]], "\n"); !strings.Contains(text, tc.text) {
				t.Errorf("complaint of check %s: %q, want one with %q", tc.want[0], text, tc.text)
			}
		})
	}
}

func TestGoodLinksPass(t *testing.T) {
	lock := make(chan struct{}, 1)
	var mu sync.Mutex
	var late atomic.Bool
	for _, tc := range []struct {
		name string
		link link
		opts []Option
	}{
		{name: "before", link: chain.Before("good", func(_ context.Context, p *load) (*load, error) {
			q := *p
			q.N++
			return &q, nil
		})},
		{name: "after", link: chain.After("good", echo[*load])},
		{name: "observe", link: chain.Observe("good", func(context.Context, chain.Outcome[*load]) {})},
		{name: "on error", link: chain.OnError("good", func(context.Context, chain.Outcome[*load]) {})},
		{name: "answers without next", link: chain.Around("good", func(handler) handler { return echo[*load] }), opts: []Option{MaxNext(0)}},
		{name: "a lock that waits with the context", link: through(func(ctx context.Context, p *load, next handler) (*load, error) {
			select {
			case lock <- struct{}{}:
				defer func() { <-lock }()
				return next(ctx, p)
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})},
		{name: "counts under a mutex", link: through(func(ctx context.Context, p *load, next handler) (*load, error) {
			mu.Lock()
			mu.Unlock() //nolint:staticcheck // an empty critical section is enough here
			return next(ctx, p)
		})},
		{name: "two attempts", link: through(func(ctx context.Context, p *load, next handler) (*load, error) {
			if out, err := next(ctx, p); err == nil {
				return out, nil
			}
			return next(ctx, p)
		}), opts: []Option{MaxNext(2)}},
		{name: "waits with the context between attempts", link: through(func(ctx context.Context, p *load, next handler) (*load, error) {
			if out, err := next(ctx, p); err == nil {
				return out, nil
			}
			if err := Slow(2 * prompt)(ctx); err != nil {
				return nil, err
			}
			return next(ctx, p)
		}), opts: onlyContext(MaxNext(2))},
		{name: "late once", link: chain.Before("good", Hook[*load](Fault(func(ctx context.Context) error {
			if ctx.Err() != nil && late.CompareAndSwap(false, true) {
				<-time.After(2 * prompt)
			}
			return nil
		}))), opts: onlyContext()},
		{name: "an observer that takes its time", link: chain.Observe("good", func(context.Context, chain.Outcome[*load]) {
			<-time.After(2 * prompt)
		}), opts: onlyContext()},
		{name: "a fallback", link: through(func(ctx context.Context, p *load, next handler) (*load, error) {
			if out, err := next(ctx, p); err == nil {
				return out, nil
			}
			return p, nil
		}), opts: []Option{Translates()}},
		{name: "a background job that ends", link: chain.Before("good", func(_ context.Context, p *load) (*load, error) {
			go func() {}()
			return p, nil
		})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			Run(t, tc.link, append([]Option{nil, Payload(newLoad)}, tc.opts...)...)
		})
	}
}

func TestPayloadsByDefault(t *testing.T) {
	t.Run("pointer", func(t *testing.T) { Run(t, chain.Before("good", echo[*load])) })
	t.Run("struct", func(t *testing.T) { Run(t, chain.Before("good", echo[load])) })
	t.Run("string", func(t *testing.T) { Run(t, chain.Intercept[string]("good", Error(nil).Early)) })
}

func TestMisuse(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  error
		want string
	}{
		{"no payload for a map", subjectError(chain.Before("l", echo[map[string]int])), `a map[string]int has no useful zero value: say with chaintest.Payload what to send through link "l"`},
		{"a payload of another type", subjectError(chain.Before("l", echo[*load]), Payload(func() int { return 1 })), `Payload is a func() int, but link "l" is for *chaintest.load`},
		{"a nil payload function", subjectError(chain.Before("l", echo[*load]), Payload[*load](nil)), "Payload of link"},
		{"no patience", subjectError(chain.Before("l", echo[*load]), Patience(0)), "Patience(0s) makes no sense"},
		{"negative count", subjectError(chain.Before("l", echo[*load]), MaxNext(-1)), "MaxNext(-1)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.got == nil || !strings.Contains(tc.got.Error(), tc.want) {
				t.Errorf("got %v, want %q", tc.got, tc.want)
			}
		})
	}
}

func subjectError[P any](l chain.Link[P], opts ...Option) error {
	_, err := newSubject(l, newConfig(opts))
	return err
}

const childEnv = "CHAINTEST_RUN_A_BAD_LINK"

// TestRunFails runs itself in other processes, since a failure cannot be taken back.
func TestRunFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		link link
		want []string
		not  string
	}{
		{
			name: "twice",
			link: through(func(ctx context.Context, p *load, next handler) (*load, error) {
				if out, err := next(ctx, p); err != nil {
					return out, err
				}
				return next(ctx, p)
			}),
			want: []string{"--- FAIL: TestRunFails/next", `link "bad": next was called 2 times`, "--- PASS: TestRunFails/context", "check hammer left out: known to fail"},
			not:  "TestRunFails/hammer",
		},
		{
			name: "unusable",
			link: chain.Before("", echo[*load]),
			want: []string{"--- FAIL: TestRunFails/usable", `link "": a chain refuses it`},
			not:  "TestRunFails/next",
		},
	} {
		switch os.Getenv(childEnv) {
		case tc.name:
			Run(t, tc.link, Without(CheckHammer, "known to fail"))
		case "":
			out, err := childTest(t, tc.name)
			if err == nil {
				t.Errorf("%s: a bad link passed", tc.name)
			}
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("%s: no %q in:\n%s", tc.name, want, out)
				}
			}
			if strings.Contains(out, tc.not) {
				t.Errorf("%s: %q in:\n%s", tc.name, tc.not, out)
			}
		}
	}
}

func childTest(t *testing.T, name string) (string, error) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunFails$", "-test.v")
	child.Env = append(os.Environ(), childEnv+"="+name)
	out, err := child.CombinedOutput()
	return string(out), err
}
