// Package config registers plugins from a YAML file, and again whenever the file changes.
//
// A program says which kinds of plugins there are; a file says which of them run, in which order, mode and scope of calls,
// and changes the options of links that the program registered itself:
//
//	kinds := config.NewKinds()
//	config.Register(kinds, "token_budget", func(s BudgetSettings) (any, error) { return NewBudget(s) })
//	c, err := config.Open(ctx, "maillon.yaml", config.Options{Pipeline: stages.Default, Kinds: kinds, Logger: log})
//	if err != nil { ... }
//	defer c.Close(ctx)
//	go c.Watch(ctx)
//
// A file is taken whole or not at all. What is wrong with it is an error with file, line, column and the line itself,
// wherever possible with a hint; a running plan stays as it is. A plugin whose kind and settings are the same in the new
// file stays the same instance, and a link that stays keeps its breaker and its counts. Plugin gives a program an instance that
// the file made, for its report, say. docs/config.md is the reference of
// the file, schema.json the JSON Schema for editors.
package config
