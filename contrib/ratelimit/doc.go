// Package ratelimit limits requests and tokens, apart for each user, session, model or label.
//
// The plugin is a hook at generation_pre_call: a call that comes too early is refused with an *Error that says when to try
// again, or waits for its turn, in order of arrival. Tokens are estimated before the call and corrected by the reported
// usage after it.
//
//	p, err := ratelimit.New(ratelimit.Settings{Requests: 60, Tokens: 100_000, MaxWait: 5 * time.Second})
//	s, err := session.Start(ctx, session.WithBackend(b), session.WithUser("u-17"), session.WithPlugins(p))
//
// docs/plugins/ratelimit.md has all of it. For a pace without keys around any call there is middleware.RateLimit.
package ratelimit
