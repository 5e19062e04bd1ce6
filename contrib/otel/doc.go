// Package otel writes what happens in a session as OpenTelemetry spans and metrics, with the names of the semantic
// conventions for generative AI.
//
//	p, err := otel.New(otel.Settings{}) // the providers of the process
//	...
//	s, err := session.Start(ctx, session.WithBackend(b), session.WithPlugins(p))
//
// The spans of one instruction:
//
//	session
//	└── component Instruction
//	    └── sampling rejection
//	        ├── chat gpt-4o          the span that is active while the backend is asked: HTTP clients nest under it
//	        ├── execute_tool tide
//	        └── validation
//
// They begin at the span that the caller's context has. Where it has none, or the one that the session was started under,
// they begin at the session's span.
//
// # What is never written
//
// Texts: neither prompts, answers, arguments and results of tools, nor the texts of errors and blocks; error.type has the
// code of a block or the kind of an error. Settings.Contents switches contents on, and then a redactor is required.
//
// # Links
//
// LinkTracer gives every hook and Around a span too, below the prefix maillon. (see Pipeline.WithTracer).
//
// # Logs
//
// Field and Logger put trace_id and span_id into the lines of zap.
package otel
