package chain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
)

// Request is the payload of these examples. Nobody changes it in place.
type Request struct {
	Query  string
	Answer string
}

func (r *Request) with(answer string) *Request { return &Request{Query: r.Query, Answer: answer} }

var background = context.Background()

// search stands for the backend.
func search(_ context.Context, r *Request) (*Request, error) {
	fmt.Println("searching for", r.Query)
	return r.with("3 results for " + r.Query), nil
}

// use makes a chain of links.
func use(links ...chain.Link[*Request]) *chain.Chain[*Request] {
	c := chain.New[*Request]("search")
	if _, err := c.Use(links...); err != nil {
		panic(err)
	}
	return c
}

// call makes a call and prints how it ended.
func call(h chain.Handler[*Request], query string) {
	r, err := h(background, &Request{Query: query})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(r.Answer)
}

// step is a hook that prints its name.
func step(name string) chain.Handler[*Request] {
	return func(_ context.Context, r *Request) (*Request, error) {
		fmt.Println(name)
		return r, nil
	}
}

func broken(context.Context, *Request) (*Request, error) { return nil, errors.New("out of order") }

func Example() {
	c := chain.New[*Request]("search")
	_, err := c.Use(
		chain.Before("limit", func(_ context.Context, r *Request) (*Request, error) {
			if len(r.Query) > 20 {
				return nil, chain.Block("query too long", chain.Code("length"))
			}
			return r, nil
		}),
		chain.After("shout", func(_ context.Context, r *Request) (*Request, error) {
			return r.with(strings.ToUpper(r.Answer)), nil
		}),
		chain.Observe("log", func(_ context.Context, o chain.Outcome[*Request]) {
			fmt.Println("outcome:", o.Verdict)
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	find := c.Then(search)
	call(find, "gulls")
	call(find, "a query of more than twenty letters")
	// Output:
	// searching for gulls
	// outcome: allowed
	// 3 RESULTS FOR GULLS
	// outcome: blocked
	// error: search/limit: blocked [length] (error): query too long
}

func ExampleBefore() {
	c := use(chain.Before("trim", func(_ context.Context, r *Request) (*Request, error) {
		return &Request{Query: strings.TrimSpace(r.Query)}, nil
	}))
	call(c.Then(search), "  gulls  ")
	// Output:
	// searching for gulls
	// 3 results for gulls
}

func ExampleAfter() {
	c := use(chain.After("redact", func(_ context.Context, r *Request) (*Request, error) {
		return r.with(strings.ReplaceAll(r.Answer, "gulls", "***")), nil
	}))
	call(c.Then(search), "gulls")
	// Output:
	// searching for gulls
	// 3 results for ***
}

func ExampleAround() {
	cache := func(next chain.Handler[*Request]) chain.Handler[*Request] {
		answers := map[string]*Request{} // lives as long as the handler; a real one needs a lock
		return func(ctx context.Context, r *Request) (*Request, error) {
			if a := answers[r.Query]; a != nil {
				return a, nil
			}
			a, err := next(ctx, r)
			if err == nil {
				answers[r.Query] = a
			}
			return a, err
		}
	}
	find := use(chain.Around("cache", cache)).Then(search)
	call(find, "gulls")
	call(find, "gulls")
	// Output:
	// searching for gulls
	// 3 results for gulls
	// 3 results for gulls
}

func ExampleObserve() {
	c := use(chain.Observe("audit", func(_ context.Context, o chain.Outcome[*Request]) {
		fmt.Printf("%s, %q\n", o.Verdict, o.Payload.Answer)
	}))
	call(c.Then(search), "gulls")
	// Output:
	// searching for gulls
	// allowed, "3 results for gulls"
	// 3 results for gulls
}

func ExampleOnError() {
	c := use(chain.OnError("alert", func(_ context.Context, o chain.Outcome[*Request]) {
		fmt.Println("alert:", o.Err)
	}))
	call(c.Then(broken), "gulls")
	// Output:
	// alert: out of order
	// error: out of order
}

// An Interceptor does not look at the payload, so one value serves chains of any payload.
func ExampleIntercept() {
	twice := func(ctx context.Context, next func(context.Context) error) error {
		if err := next(ctx); err == nil {
			return nil
		}
		fmt.Println("once more")
		return next(ctx)
	}
	c := use(chain.Intercept[*Request]("twice", twice))
	call(c.Then(broken), "gulls")
	// Output:
	// once more
	// error: out of order
}

func ExampleInterceptor() {
	quota := func(context.Context, func(context.Context) error) error { return chain.Block("no quota left") }
	requests, numbers := chain.New[*Request]("requests"), chain.New[int]("numbers")
	_, err1 := requests.Use(requests.Intercept("quota", quota))
	_, err2 := numbers.Use(numbers.Intercept("quota", quota))
	fmt.Println(err1, err2)

	call(requests.Then(search), "gulls")
	_, err := numbers.Then(func(_ context.Context, n int) (int, error) { return n + 1, nil })(background, 1)
	fmt.Println("error:", err)
	// Output:
	// <nil> <nil>
	// error: requests/quota: blocked (error): no quota left
	// error: numbers/quota: blocked (error): no quota left
}

func ExamplePriority() {
	c := use(
		chain.Before("later", step("later"), chain.Priority(60)),
		chain.Before("normal", step("normal")), // 50
		chain.Before("first", step("first"), chain.Priority(10)),
	)
	call(c.Then(search), "gulls")
	// Output:
	// first
	// normal
	// later
	// searching for gulls
	// 3 results for gulls
}

func ExampleRunsBefore() {
	c := use(
		chain.Before("a", step("a")),
		chain.Before("b", step("b"), chain.RunsBefore("a")),
	)
	call(c.Then(search), "gulls")

	_, err := c.Use(chain.Before("c", step("c"), chain.Priority(60), chain.RunsBefore("a")))
	fmt.Println(err)
	// Output:
	// b
	// a
	// searching for gulls
	// 3 results for gulls
	// chain: "c" cannot run before "a": its priority comes later
}

func ExampleRunsAfter() {
	c := use(
		chain.Before("a", step("a"), chain.RunsAfter("b")),
		chain.Before("b", step("b")),
	)
	call(c.Then(search), "gulls")
	// Output:
	// b
	// a
	// searching for gulls
	// 3 results for gulls
}

func ExampleOuter() {
	around := func(name string) chain.Middleware[*Request] {
		return func(next chain.Handler[*Request]) chain.Handler[*Request] {
			return func(ctx context.Context, r *Request) (*Request, error) {
				fmt.Println(name, "begins")
				defer fmt.Println(name, "ends")
				return next(ctx, r)
			}
		}
	}
	c := use(
		chain.Around("inner", around("inner")),
		chain.Around("outer", around("outer"), chain.Outer()),
		chain.Before("hook in", step("hook in")),
		chain.After("hook out", step("hook out")),
	)
	call(c.Then(search), "gulls")
	// Output:
	// outer begins
	// hook in
	// inner begins
	// searching for gulls
	// inner ends
	// hook out
	// outer ends
	// 3 results for gulls
}

func ExampleInMode() {
	refuse := func(context.Context, *Request) (*Request, error) { return nil, chain.Block("no birds") }
	c := use(chain.Before("birds", refuse, chain.InMode(chain.Audit)))
	call(c.Then(search), "gulls")
	birds, _ := c.Stats().Link("birds")
	fmt.Println("would have blocked:", birds.WouldBlocks)
	// Output:
	// searching for gulls
	// 3 results for gulls
	// would have blocked: 1
}

func ExampleOnFailure() {
	closed := use(chain.Before("spelling", broken))
	call(closed.Then(search), "gulls")

	open := use(chain.Before("spelling", broken, chain.OnFailure(chain.Ignore)))
	call(open.Then(search), "gulls")

	off := use(chain.Before("spelling", broken, chain.OnFailure(chain.Disable)))
	call(off.Then(search), "gulls")
	fmt.Println("spelling is", off.Explain().Links[0].Breaker)
	fmt.Println("enabled:", off.Enable("spelling"))
	// Output:
	// error: search/spelling: out of order
	// searching for gulls
	// 3 results for gulls
	// searching for gulls
	// 3 results for gulls
	// spelling is off
	// enabled: true
}

func ExampleTimeout() {
	hang := func(ctx context.Context, r *Request) (*Request, error) {
		<-ctx.Done()
		return r, nil
	}
	c := use(chain.Before("slow", hang, chain.Timeout(time.Millisecond)))
	_, err := c.Then(search)(background, &Request{Query: "gulls"})
	fmt.Println(err)
	fmt.Println("timed out:", errors.Is(err, chain.ErrTimeout))
	// Output:
	// search/slow: hard timeout after 1ms
	// timed out: true
}

func ExampleBreaker() {
	c := use(chain.Before("spelling", broken, chain.TripAfter(1), chain.Breaker(gobreaker.Settings{
		Timeout: time.Hour, // open this long
		OnStateChange: func(name string, from, to gobreaker.State) {
			fmt.Println(name, "went from", from, "to", to)
		},
	})))
	find := c.Then(search)
	call(find, "gulls")
	call(find, "gulls")
	// Output:
	// search/spelling went from closed to open
	// error: search/spelling: out of order
	// error: search/spelling: circuit breaker is open
}

func ExampleTripAfter() {
	c := use(chain.Before("spelling", broken, chain.TripAfter(2), chain.OnFailure(chain.Ignore)))
	find := c.Then(search)
	for range 3 {
		call(find, "gulls")
		fmt.Println("breaker:", c.Stats().Links[0].State)
	}
	// Output:
	// searching for gulls
	// 3 results for gulls
	// breaker: closed
	// searching for gulls
	// 3 results for gulls
	// breaker: open
	// searching for gulls
	// 3 results for gulls
	// breaker: open
}

func ExampleTimed() {
	c := use(chain.Observe("clock", func(_ context.Context, o chain.Outcome[*Request]) {
		fmt.Println("measured:", o.Duration > 0)
	}, chain.Timed()))
	call(c.Then(search), "gulls")
	// Output:
	// searching for gulls
	// measured: true
	// 3 results for gulls
}

func ExampleCounted() {
	c := use(chain.Before("a", step("a"), chain.Counted()))
	find := c.Then(search)
	call(find, "gulls")
	call(find, "terns")
	fmt.Println("calls:", c.Stats().Links[0].Calls)
	// Output:
	// a
	// searching for gulls
	// 3 results for gulls
	// a
	// searching for terns
	// 3 results for terns
	// calls: 2
}

func ExampleOutcome() {
	c := use(
		chain.Around("cache", func(next chain.Handler[*Request]) chain.Handler[*Request] {
			return func(ctx context.Context, r *Request) (*Request, error) {
				if r.Query == "gulls" {
					return r.with("known"), nil
				}
				return next(ctx, r)
			}
		}),
		chain.Observe("audit", func(_ context.Context, o chain.Outcome[*Request]) {
			fmt.Printf("%s by %q, handler asked: %t\n", o.Verdict, o.Link, o.Answered)
		}),
	)
	find := c.Then(search)
	call(find, "gulls")
	call(find, "terns")
	// Output:
	// allowed by "cache", handler asked: false
	// known
	// searching for terns
	// allowed by "", handler asked: true
	// 3 results for terns
}

func ExampleBlock() {
	c := use(chain.Before("budget", func(context.Context, *Request) (*Request, error) {
		return nil, chain.Block("over budget",
			chain.Code("budget"),
			chain.Description("Your team has used up its budget of this month."),
			chain.Details(map[string]any{"left": 0}),
			chain.InSeverity(chain.SeverityWarning),
		)
	}))
	call(c.Then(search), "gulls")
	// Output:
	// error: search/budget: blocked [budget] (warning): over budget: Your team has used up its budget of this month.; left=0
}

func ExampleViolation() {
	c := use(chain.Before("birds", func(context.Context, *Request) (*Request, error) {
		return nil, chain.Block("no birds", chain.Code("animals"))
	}))
	_, err := c.Then(search)(background, &Request{Query: "gulls"})
	var v *chain.Violation
	if errors.As(err, &v) {
		fmt.Println(v.Chain, v.Link, v.Code, v.Reason)
	}
	// Output:
	// search birds animals no birds
}

func ExampleLinkError() {
	c := use(chain.Before("spelling", broken))
	_, err := c.Then(search)(background, &Request{Query: "gulls"})
	var le *chain.LinkError
	if errors.As(err, &le) {
		fmt.Println(le.Link, "failed:", le.Err)
	}
	// Output:
	// spelling failed: out of order
}

func ExampleDescribeError() {
	prompt := "my password is tide"
	err := fmt.Errorf("cannot send %q: %w", prompt, context.DeadlineExceeded)
	fmt.Println(chain.DescribeError(err))
	// Output: *fmt.wrapError > context deadline exceeded
}

func ExamplePolicy() {
	c := chain.New("search", chain.Config[*Request]{Policy: chain.Policy[*Request]{
		Rewrite: func(pos chain.Position, old, proposed *Request) (*Request, []string) {
			if pos == chain.In && proposed.Answer != old.Answer { // on the way in, only the query is writable
				return &Request{Query: proposed.Query, Answer: old.Answer}, []string{"answer"}
			}
			return proposed, nil
		},
	}})
	_, err := c.Use(chain.Before("eager", func(context.Context, *Request) (*Request, error) {
		return &Request{Query: "terns", Answer: "made up"}, nil
	}))
	fmt.Println(err)
	_, err = c.Then(func(_ context.Context, r *Request) (*Request, error) {
		fmt.Printf("the handler got %+v\n", *r)
		return r, nil
	})(background, &Request{Query: "gulls"})
	fmt.Println(err, c.Stats().Links[0].Discarded)
	// Output:
	// <nil>
	// the handler got {Query:terns Answer:}
	// <nil> 1
}

// printer traces every call.
type printer struct{}

func (printer) Sample(context.Context) bool { return true }

func (printer) LinkStart(ctx context.Context, l chain.Traced) context.Context {
	fmt.Println("start", l.Link)
	return ctx
}

func (printer) LinkEnd(_ context.Context, l chain.Traced, err error) { fmt.Println("end", l.Link, err) }

func ExampleTracer() {
	c := use(
		chain.Before("ok", func(_ context.Context, r *Request) (*Request, error) { return r, nil }),
		chain.After("spelling", broken),
	).WithTracer(printer{})
	call(c.Then(search), "gulls")
	// Output:
	// start ok
	// end ok <nil>
	// searching for gulls
	// start spelling
	// end spelling out of order
	// error: search/spelling: out of order
}

func ExampleDispatcher() {
	d := chain.NewDispatcher(chain.DispatcherConfig{Workers: 2, Queue: 100, Overflow: chain.DropNewest})
	c := chain.New("search", chain.Config[*Request]{Dispatcher: d})
	_, err := c.Use(chain.Before("index", step("indexed in the background"), chain.InMode(chain.FireAndForget)))
	fmt.Println(err)
	_, err = c.Then(func(_ context.Context, r *Request) (*Request, error) { return r, nil })(background, &Request{Query: "gulls"})
	fmt.Println(err, d.Close(background)) // waits
	fmt.Println("done:", d.Stats().Done, "dropped:", d.Stats().Dropped)
	// Unordered output:
	// <nil>
	// indexed in the background
	// <nil> <nil>
	// done: 1 dropped: 0
}

func ExampleChain_Stats() {
	c := use(
		chain.Before("spelling", broken, chain.OnFailure(chain.Ignore)),
		chain.Before("upper", func(_ context.Context, r *Request) (*Request, error) {
			return &Request{Query: strings.ToUpper(r.Query)}, nil
		}),
	)
	call(c.Then(search), "gulls")
	for _, l := range c.Stats().Links {
		fmt.Printf("%s: %d failures, %d ignored, %d rewrites\n", l.Link, l.Failures, l.Ignored, l.Rewrites)
	}
	// Output:
	// searching for GULLS
	// 3 results for GULLS
	// spelling: 1 failures, 1 ignored, 0 rewrites
	// upper: 0 failures, 0 ignored, 1 rewrites
}

func ExampleChain_Explain() {
	pass := func(next chain.Handler[*Request]) chain.Handler[*Request] { return next }
	c := use(
		chain.Before("limit", step("limit"), chain.Priority(10)),
		chain.Before("birds", step("birds"), chain.InMode(chain.Audit)),
		chain.Around("span", pass, chain.Outer()),
		chain.Around("cache", pass, chain.OnFailure(chain.Ignore)),
		chain.Observe("audit", func(context.Context, chain.Outcome[*Request]) {}),
	)
	fmt.Print(c.Explain())
	// Output:
	// chain search
	//   #  ring     link           kind     mode        prio  on failure  timeout  breaker  notes
	//   1  outer    process/span   around   sequential  50    fail        -        closed   can skip the hooks
	//   2  in       process/limit  before   sequential  10    fail        -        closed
	//   3  in       process/birds  before   audit       50    ignore      -        closed
	//   4  inner    process/cache  around   sequential  50    ignore      -        closed
	//   5  observe  process/audit  observe  sequential  50    ignore      -        closed
}

func ExamplePlan_Mermaid() {
	pass := func(next chain.Handler[*Request]) chain.Handler[*Request] { return next }
	c := use(chain.Before("limit", step("limit")), chain.Around("cache", pass), chain.After("redact", step("redact"), chain.InMode(chain.Transform)))
	fmt.Print(c.Explain().Mermaid())
	// Output:
	// flowchart LR
	//   caller([caller])
	//   l0["process/limit"]
	//   caller --> l0
	//   l1[["process/cache"]]
	//   l0 --> l1
	//   handler([handler])
	//   l1 --> handler
	//   l2["process/redact (transform)"]
	//   handler --> l2
	//   result([result])
	//   l2 --> result
}

func ExampleChain_Scope() {
	c := use(chain.Before("everybody", step("everybody")))
	session, err := c.Scope(chain.Before("mine", step("only mine")))
	fmt.Println(err)
	call(session.Then(search), "gulls")
	call(c.Then(search), "terns")
	// Output:
	// <nil>
	// everybody
	// only mine
	// searching for gulls
	// 3 results for gulls
	// everybody
	// searching for terns
	// 3 results for terns
}

func ExampleChain_Reload() {
	c := use(chain.Before("fixed", step("fixed")))
	find := c.Then(search)
	fmt.Println(c.Reload(chain.Before("a", step("a"))))
	call(find, "gulls")
	fmt.Println(c.Reload(chain.Before("b", step("b")), chain.Before("b", step("b")))) // all or nothing
	fmt.Println(c.Reload(chain.Before("c", step("c"))))
	call(find, "terns")
	// Output:
	// <nil>
	// fixed
	// a
	// searching for gulls
	// 3 results for gulls
	// chain search: duplicate link name "b"
	// <nil>
	// fixed
	// c
	// searching for terns
	// 3 results for terns
}

func ExampleRegistration() {
	c := chain.New[*Request]("search")
	reg, err := c.Use(chain.Before("a", step("a")))
	fmt.Println(err)
	find := c.Then(search)
	fmt.Println(reg.Replace(chain.Before("b", step("b"))))
	call(find, "gulls")
	reg.Remove()
	call(find, "terns")
	// Output:
	// <nil>
	// <nil>
	// b
	// searching for gulls
	// 3 results for gulls
	// searching for terns
	// 3 results for terns
}

// Compose is for plain middleware without guards, as in net/http.
func ExampleCompose() {
	tag := func(name string) chain.Middleware[*Request] {
		return func(next chain.Handler[*Request]) chain.Handler[*Request] {
			return func(ctx context.Context, r *Request) (*Request, error) {
				fmt.Println(name)
				return next(ctx, r)
			}
		}
	}
	call(chain.Compose(search, tag("outermost"), tag("innermost")), "gulls")
	// Output:
	// outermost
	// innermost
	// searching for gulls
	// 3 results for gulls
}

// Three lines, and no type argument, around a function that exists already.
func ExampleWrap() {
	weather := func(_ context.Context, city string) (int, error) { return len(city), nil }
	tell := func(ctx context.Context, next func(context.Context) error) error {
		fmt.Println("asking")
		return next(ctx)
	}

	get, err := chain.Wrap("weather", weather).
		Intercept("tell", tell).
		Func()
	if err != nil {
		fmt.Println(err)
		return
	}
	degrees, err := get(background, "Brest")
	fmt.Println(degrees, err)
	// Output:
	// asking
	// 5 <nil>
}

// A runtime asks its links what they can do. The engine itself gives marks no meaning.
func ExampleMark() {
	c := use(chain.Before("scan", step("scan"), chain.Mark("kilobytes", 64)))
	fmt.Println(c.Explain().Links[0].Marks["kilobytes"])
	// Output: 64
}
