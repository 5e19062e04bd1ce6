package bench

import (
	"context"
	"fmt"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
)

// Payload is what the handlers pass on. It is frozen: WithText returns a copy.
type Payload struct {
	text string
	size int
}

// WithText returns a copy with another text.
func (p *Payload) WithText(text string) *Payload {
	c := *p
	c.text, c.size = text, len(text)
	return &c
}

// Text is the payload's text.
func (p *Payload) Text() string { return p.text }

// Handler is what the variants build.
type Handler = chain.Handler[*Payload]

// Variant is one way to put links around a handler.
type Variant struct {
	Name  string // stable: part of the benchmark's name
	Doc   string
	Build func(links int) Handler
}

// Links are the numbers of links that the benchmarks run with.
var Links = []int{0, 1, 10, 76}

// Variants are all of them, in the order in which they are reported. Their handlers may be called concurrently.
var Variants = []Variant{
	{"closures", "closures nested by hand", closures},
	{"compose", "chain.Compose, without a guard", compose},
	{"gobreaker", "gobreaker.Execute around each link", breakers},
	{"hooks", "guarded Before hooks", hooks},
	{"around", "guarded Around links", arounds},
	{"asked", "guarded Before hooks whose breakers are asked in every call, by rules of their own", asked},
	{"scoped", "guarded Before hooks, a third of them in each of three scopes", scoped},
	{"rewrite", "guarded Before hooks that all replace the payload", rewriting},
	{"observe", "guarded Before hooks and one inline observer", observing},
}

// PerRequest is measured beside the Variants: what a call costs that makes a scope of its own.
var PerRequest = Variant{"request", "guarded Before hooks, and for each call a scope with two more that is bound, called and dropped", perRequest}

// Backend is what the links are around: it answers at once, with the payload that it gets.
//
//go:noinline
func Backend(_ context.Context, p *Payload) (*Payload, error) { return p, nil }

func hook(_ context.Context, p *Payload) (*Payload, error) { return p, nil }

func middleware(next Handler) Handler {
	return func(ctx context.Context, p *Payload) (*Payload, error) { return next(ctx, p) }
}

func closures(links int) Handler {
	h := Backend
	for range links {
		h = middleware(h)
	}
	return h
}

func compose(links int) Handler {
	mws := make([]chain.Middleware[*Payload], links)
	for i := range mws {
		mws[i] = middleware
	}
	return chain.Compose(Backend, mws...)
}

func breakers(links int) Handler {
	h := Backend
	for i := range links {
		next := middleware(h)
		cb := gobreaker.NewCircuitBreaker[*Payload](gobreaker.Settings{Name: fmt.Sprint(i)})
		h = func(ctx context.Context, p *Payload) (*Payload, error) {
			return cb.Execute(func() (*Payload, error) { return next(ctx, p) })
		}
	}
	return h
}

// before makes links from through to-1.
func before(from, to int) []chain.Link[*Payload] {
	var links []chain.Link[*Payload]
	for i := from; i < to; i++ {
		links = append(links, chain.Before(fmt.Sprint("hook", i), hook))
	}
	return links
}

func hooks(links int) Handler { return chained(before(0, links)...) }

func asked(links int) Handler {
	var all []chain.Link[*Payload]
	for i := range links {
		all = append(all, chain.Before(fmt.Sprint("hook", i), hook, chain.Breaker(gobreaker.Settings{
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures > 2 },
		})))
	}
	return chained(all...)
}

func arounds(links int) Handler {
	var all []chain.Link[*Payload]
	for i := range links {
		all = append(all, chain.Around(fmt.Sprint("around", i), middleware))
	}
	return chained(all...)
}

func scoped(links int) Handler {
	c := chain.New[*Payload]("bench")
	must(c.Use(before(0, links/3)...))
	session := must(c.Scope(before(links/3, links*2/3)...))
	block := must(session.Scope(before(links*2/3, links)...))
	return block.Then(Backend)
}

func perRequest(links int) Handler {
	c := chain.New[*Payload]("bench")
	must(c.Use(before(0, links)...))
	own := before(links, links+2)
	return func(ctx context.Context, p *Payload) (*Payload, error) {
		request, err := c.Scope(own...)
		if err != nil {
			return nil, err
		}
		return request.Then(Backend)(ctx, p)
	}
}

func rewriting(links int) Handler {
	var all []chain.Link[*Payload]
	for i := range links {
		all = append(all, chain.Before(fmt.Sprint("hook", i), func(_ context.Context, p *Payload) (*Payload, error) {
			return p.WithText("rewritten"), nil
		}))
	}
	return chained(all...)
}

func observing(links int) Handler {
	return chained(append(before(0, links), chain.Observe("observer", func(context.Context, chain.Outcome[*Payload]) {}))...)
}

func chained(links ...chain.Link[*Payload]) Handler {
	c := chain.New[*Payload]("bench")
	must(c.Use(links...))
	return c.Then(Backend)
}

// must is for links that are right by construction.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
