// Package budget keeps model calls within limits on tokens and money: per request, session, user, model and time window.
//
//	b, err := budget.New(budget.Settings{Limits: []budget.Limit{
//		{Per: []budget.Dimension{budget.PerRequest}, Tokens: 20_000},
//		{Name: "daily", Per: []budget.Dimension{budget.PerUser}, Tokens: 1_000_000, Window: 24 * time.Hour},
//	}})
//	...
//	s, err := session.Start(ctx, session.WithBackend(backend), session.WithPlugins(b), session.WithUser("ada"))
//
// Before a call the plugin reserves what it may take: an estimate of the input and all of the output that it may have
// (MaxTokens, which is set where it is open). A call for which there is not so much left is blocked, or capped, or let
// through with a warning. After each attempt what was reserved is replaced by what was used, as reported, so that retries are
// counted one by one; whatever was not used is given back, also where the call was blocked, answered by a cache, panicked or
// was cancelled. At no moment are settled and reserved tokens together more than the limit, unless an answer took more than
// was reserved for it: that is shown as Overdraft, and stops the calls that follow.
//
// The books are kept by a Store. Memory is that of one process; others share one by an implementation of their own.
package budget
