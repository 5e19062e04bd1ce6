// Package chain is a generic middleware chain in which every link is guarded by a circuit breaker.
//
// A chain is an ordered set of links around a Handler, a func(ctx, P) (P, error). There are four kinds of link: hooks that
// run Before and After, an Around in the net/http style, and an Observe that sees every outcome:
//
//	c := chain.New[*Request]("search")
//	_, err := c.Use(
//		chain.Before("limit", checkLength),
//		chain.Around("cache", cache),
//		chain.After("redact", redact),
//		chain.Observe("audit", record, chain.InMode(chain.FireAndForget)),
//	)
//	search := c.Then(backend)
//	res, err := search(ctx, req)
//
// The order of a call:
//
//	caller -> Outer Arounds -> Before hooks -> Inner Arounds -> handler
//	caller <- Outer Arounds <- After hooks  <- Inner Arounds <- handler
//	Observe: once per call, at the very end, whatever happened
//
// Hooks are the gate: an Around is Inner unless registered with Outer, so that no cache, retry or fallback can carry a
// payload past a policy.
//
// A payload should be a pointer to something that nobody changes in place: a link that wants another payload returns
// another pointer, and one that returns the pointer it got costs about two nanoseconds. A link stops the call by returning
// Block(...), which reaches the caller as a *Violation; when it fails otherwise, its failure policy decides whether the
// caller gets a *LinkError or the call goes on. Panics, Goexit and hung hooks are contained and blamed on their link. An
// error of the handler is blamed on no link, however many Arounds it passes, so that the links' breakers stay closed
// while a backend is down.
//
// For one function that exists already, Wrap is the shortest way; for plain middleware without any of this, Compose.
package chain
