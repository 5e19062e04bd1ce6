// Package all has the kinds of plugins of this project for configuration files, so that a program can run any of them from
// YAML:
//
//	c, err := config.Open(ctx, "maillon.yaml", config.Options{Pipeline: p, Kinds: all.Kinds(all.Options{})})
//
// The kinds are content_policy, pii, rate_limit, token_budget, response_cache, audit_log, slot_profiler, debug, otel, retry and timeout. Each has
// a page in docs/plugins. A program that wants only some of them, or with code of its own, registers those with
// config.Register and does without what the others depend on.
package all
