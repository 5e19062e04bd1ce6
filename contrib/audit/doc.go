// Package audit records the outcome of every run through every stage: what was allowed, blocked, failed, canceled or answered by
// a cache, by which link, for which session and request, with which usage.
//
//	plugin, err := audit.New(audit.Settings{Path: "/var/log/app/audit.jsonl"})
//	if err != nil { ... }
//	s, err := session.Start(ctx, session.WithBackend(backend), session.WithPlugins(plugin))
//
// # Where records go
//
// A File is JSON Lines. Each line has the hash of the one before, over rotated files too, so that Verify finds every line that
// was changed, moved, doubled or taken away. ToWriter, ToZap and the package auditsql are other sinks, and anything with a
// method Write is one too.
//
// A call returns when its record is written, by default with an fsync; many calls share one. A sink that fails stops no call,
// for observers cannot: records wait for it, within Settings.Buffer, and what has to be given up is counted, by Stats and in the
// next record. The mode fire_and_forget moves the writing behind the call, to the pipeline's dispatcher.
//
// # What is in them
//
// Contents, that is prompts, answers, arguments, texts of errors, labels, metadata and user ids, are not, unless there is a
// Settings.Redact, which then gets every single text: a call that was blocked before a redactor of the pipeline ran does not leak
// either. The payload is the one that all links have left.
package audit
