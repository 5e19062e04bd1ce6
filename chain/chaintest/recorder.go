package chaintest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/maillon-go/maillon/chain"
)

// Step is what a Recorder saw happen at a link.
type Step string

// The steps. An Around has two, Enter and Leave.
const (
	Before  Step = "before"
	Enter   Step = "enter"
	Handled Step = "handled"
	Leave   Step = "leave"
	After   Step = "after"
	Observe Step = "observe"
)

// Event is one step of one call.
type Event[P any] struct {
	Link    string // its name; of the handler, the name given to Recorder.Handler
	Step    Step
	Payload P             // at Leave and Observe, what came back
	Err     error         // at Leave and Observe
	Verdict chain.Verdict // at Observe
}

// String gives link and step, such as "cache:enter".
func (e Event[P]) String() string { return e.Link + ":" + string(e.Step) }

// Recorder makes links, and a handler, that change nothing and write down what passes them. The zero value is ready.
// Safe for concurrent use.
type Recorder[P any] struct {
	mu     sync.Mutex
	events []Event[P]
}

func (r *Recorder[P]) add(e Event[P]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Before makes a Before link that records.
func (r *Recorder[P]) Before(name string, opts ...chain.Option) chain.Link[P] {
	return chain.Before(name, r.hook(name, Before), opts...)
}

// After makes an After link that records.
func (r *Recorder[P]) After(name string, opts ...chain.Option) chain.Link[P] {
	return chain.After(name, r.hook(name, After), opts...)
}

// Handler is a handler that records, and returns its payload.
func (r *Recorder[P]) Handler(name string) chain.Handler[P] { return r.hook(name, Handled) }

func (r *Recorder[P]) hook(name string, step Step) chain.Handler[P] {
	return func(_ context.Context, p P) (P, error) {
		r.add(Event[P]{Link: name, Step: step, Payload: p})
		return p, nil
	}
}

// Around makes an Around link that records on both sides of next; not the way out when next does not return.
func (r *Recorder[P]) Around(name string, opts ...chain.Option) chain.Link[P] {
	return chain.Around(name, func(next chain.Handler[P]) chain.Handler[P] {
		return func(ctx context.Context, p P) (P, error) {
			r.add(Event[P]{Link: name, Step: Enter, Payload: p})
			out, err := next(ctx, p)
			r.add(Event[P]{Link: name, Step: Leave, Payload: out, Err: err})
			return out, err
		}
	}, opts...)
}

// Observe makes an Observe link that records.
func (r *Recorder[P]) Observe(name string, opts ...chain.Option) chain.Link[P] {
	return chain.Observe(name, func(_ context.Context, o chain.Outcome[P]) {
		r.add(Event[P]{Link: name, Step: Observe, Payload: o.Payload, Err: o.Err, Verdict: o.Verdict})
	}, opts...)
}

// Events returns what was recorded so far, in order.
func (r *Recorder[P]) Events() []Event[P] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Reset forgets everything.
func (r *Recorder[P]) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = nil
}

// String gives the events in one line: "budget:before cache:enter backend:handled cache:leave".
func (r *Recorder[P]) String() string {
	var b strings.Builder
	for i, e := range r.Events() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.String())
	}
	return b.String()
}
