// Package stages is the lifecycle of a model call as data: the nouns (Message, History, Requirement, Output, ...), one
// frozen payload for each stage, and a Pipeline with one chain for each stage.
//
// A plugin is a link of the chain whose stage it cares about. This one sees every answer before anybody else does:
//
//	p := stages.NewPipeline(stages.PipelineConfig{})
//	_, err := p.Generation.Use(chain.After("redact",
//		func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
//			return g.WithText(secret.ReplaceAllString(g.Output().Text, "[redacted]")), nil
//		}))
//
// # Payloads
//
// A payload is a pointer to something that cannot be changed: it has getters, and a WithX method, which returns a copy,
// for each field that plugins may write somewhere. Where they may is said by the table of HookPoints; a change that a link
// is not entitled to is put back by the chain's policy, and its name is logged and counted as discarded. Slices and maps
// are Lists and Maps, which cannot be changed either.
//
// The runtime makes a payload with its constructor and gives it its result with Done. So does an Around that answers in
// the handler's place, such as a cache: its Done is accepted whole, once.
//
// # What a hook may use
//
// From(ctx) is the request: state that its hooks share, a logger, the backend, the history, and a way to call the model.
//
// The package has no behaviour of its own: package session runs the stages, and anything else may do so too.
package stages
