package backendtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/maillon-go/maillon/session"
)

func (e *exam) errors() {
	if e.Local {
		return
	}
	for _, f := range []Failure{
		{Kind: session.BackendAuth, Status: 401},
		{Kind: session.BackendAuth, Status: 403},
		{Kind: session.BackendRateLimit, Status: 429, RetryAfter: 7 * time.Second},
		{Kind: session.BackendRateLimit, Status: 429},
		{Kind: session.BackendInvalidRequest, Status: 400},
		{Kind: session.BackendInvalidRequest, Status: 404},
		{Kind: session.BackendInvalidRequest, Status: 422},
		{Kind: session.BackendContentPolicy, Status: 400},
		{Kind: session.BackendServerError, Status: 500},
		{Kind: session.BackendServerError, Status: 503, RetryAfter: time.Second},
	} {
		if slices.Contains(e.Without, f.Kind) {
			continue
		}
		f.Message = "the service says no to: " + e.Prompt
		for _, w := range e.ways() {
			e.service.answers(always(Reply{Pieces: says().Pieces, Failure: &f}))
			got := e.kind(context.Background(), w, string(f.Kind), f.Kind)
			if got == nil {
				continue
			}
			if got.Status != f.Status || got.RetryAfter != f.RetryAfter {
				e.bad("%s, %s: status %d and retry after %v, want %d and %v", w.name, f.Kind, got.Status, got.RetryAfter, f.Status, f.RetryAfter)
			}
			if n := len(e.service.asked()); n != 1 {
				e.bad("%s, %s: asked %d times: retries are up to middleware", w.name, f.Kind, n)
			}
		}
	}
	for what, ending := range map[string]Ending{"a connection that breaks off": Cut, "an answer that is none": Garbage} {
		for _, w := range e.ways() {
			r := says("One ", "two ")
			r.Ending = ending
			e.service.answers(always(r))
			_ = e.kind(context.Background(), w, what, session.BackendTransportError)
		}
	}
	for _, w := range e.ways() {
		ended := make(chan struct{})
		e.service.answers(func(ctx context.Context, _ string) Reply {
			<-ctx.Done()
			close(ended)
			return says()
		})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if got := e.kind(ctx, w, "a deadline", session.BackendTimeout); got != nil && !errors.Is(got, context.DeadlineExceeded) {
			e.bad("%s, a deadline: %v is not context.DeadlineExceeded", w.name, got)
		}
		cancel()
		if _, ok := receive(ended, e.Patience); !ok {
			e.bad("%s, a deadline: the request goes on", w.name)
		}
	}
}

// kind asks, and expects an error.
func (e *exam) kind(ctx context.Context, w way, what string, want session.BackendErrorKind) *session.BackendError {
	o := e.do(ctx, w, e.generation(), nil)
	if o.hung {
		return nil
	}
	var got *session.BackendError
	if !errors.As(o.err, &got) {
		e.bad("%s, %s: got %v, want a *session.BackendError of kind %s", w.name, what, o.err, want)
		return nil
	}
	if got.Kind != want {
		e.bad("%s, %s: got kind %s (%v), want %s", w.name, what, got.Kind, got, want)
	}
	if got.Backend == "" {
		e.bad("%s, %s: the error does not name its backend", w.name, what)
	}
	if strings.Contains(o.err.Error(), e.Prompt) {
		e.bad("%s, %s: the error repeats what was asked: %v", w.name, what, o.err)
	}
	return got
}
