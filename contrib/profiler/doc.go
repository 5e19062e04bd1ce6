// Package profiler says where the time and the tokens of sessions go: latency, tokens, retries and failures for each
// generative slot, component kind and stage, and the own time of each link, without that of what it wraps.
//
// A Plugin is two things. Registered, it observes the stages: every call is counted, and nothing is changed, stopped or made
// buffered by it. As the tracer of a pipeline it also times links, in a sample of the calls:
//
//	p, err := profiler.New(profiler.Settings{})
//	if err != nil {
//		return err
//	}
//	if _, err := stages.Default.Register(ctx, p); err != nil {
//		return err
//	}
//	stages.Default.WithTracer(p)
//
// Snapshot is what was seen so far, as a Report: a value with a text form, a JSON form, and an SVG icicle chart for each of
// some sessions. Names are all that it has of payloads, never their contents.
package profiler
