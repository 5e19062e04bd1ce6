// Package middleware holds ready links for any call: Timeout, Retry, Breaker, RateLimit, Bulkhead, Log, Tap and When, and
// for what has to look at the payload or the result, Fallback and Singleflight.
//
// All but the last two return a chain.Interceptor. It has no type argument, fits a chain of any payload, and one value may
// be shared by several chains: a shared Breaker then counts for all of them.
//
//	get, err := chain.Wrap("weather", client.Get).
//		Intercept("breaker", middleware.Breaker(gobreaker.Settings{Name: "weather"})).
//		Intercept("retry", middleware.Retry(3)).
//		Intercept("timeout", middleware.Timeout(2*time.Second)).
//		Func()
//
// They nest in the order of registration. Here the breaker sees what is left after three attempts, and each attempt has
// two seconds of its own; with Timeout first, all attempts and the waits between them would share two seconds.
//
// Fallback and Singleflight are a chain.Middleware, for chain.Around.
//
// Constructors return no error. One that got arguments it cannot work with (a nil function, a duration that is not
// positive) returns an Interceptor whose every call fails with an error that says so, without calling what it wraps. A
// nil option is skipped. All interceptors are safe for concurrent use.
package middleware
