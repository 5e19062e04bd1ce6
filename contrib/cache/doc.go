// Package cache answers requests that a model has answered before.
//
// The plugin is an Around behind the hooks of the generation stage: what it looks for, and what it keeps, has been through
// every redactor, and an answer from it goes through the chunk stage and generation_post_call like any other. Such an answer
// has the source stages.SourceCache and no usage, since nothing was spent.
//
//	p, err := cache.New(cache.Settings{TTL: time.Hour})
//	s, err := session.Start(ctx, session.WithBackend(b), session.WithUser("u-17"), session.WithPlugins(p))
//
// Requests that are alike and come at the same time reach the backend once. Answers are kept apart by user unless
// Settings.Scope or Settings.Tenant says otherwise. docs/plugins/cache.md has all of it.
package cache
