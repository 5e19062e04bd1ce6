package otel

import (
	"go.opentelemetry.io/otel/attribute"
	semconv136 "go.opentelemetry.io/otel/semconv/v1.36.0"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
)

// SemConv is a version of the OpenTelemetry semantic conventions, in which all names for generative AI are still in
// development.
type SemConv string

// The versions whose names can be written.
const (
	// SemConv1_41 is the last version that has generative AI in it: it has moved to a document of its own since, which has
	// no version yet.
	SemConv1_41 SemConv = "1.41.0"
	// SemConv1_36 is the version that existing dashboards were built for: gen_ai.system in the place of gen_ai.provider.name,
	// nothing about the streaming of an answer and none of the contents.
	SemConv1_36 SemConv = "1.36.0"
	// Pinned is the version that is used where none is chosen. It changes in a major release only.
	Pinned = SemConv1_41
)

// conventions are what differs between the versions.
type conventions struct {
	schema   string
	provider attribute.Key
	old      bool // before 1.37: without streaming, cached tokens and contents
}

var versions = map[SemConv]conventions{
	SemConv1_41: {schema: semconv.SchemaURL, provider: semconv.GenAIProviderNameKey},
	SemConv1_36: {schema: semconv136.SchemaURL, provider: semconv136.GenAISystemKey, old: true},
}

// Attributes that no convention has.
const (
	keyRequest       = attribute.Key("maillon.request.id")
	keyParentRequest = attribute.Key("maillon.request.parent_id")
	keyKind          = attribute.Key("maillon.component.kind")
	keyComponent     = attribute.Key("maillon.component.name")
	keyStrategy      = attribute.Key("maillon.strategy")
	keySuccess       = attribute.Key("maillon.success")
	keyOutcome       = attribute.Key("maillon.outcome")

	keySource      = attribute.Key("maillon.source")
	keyInputTotal  = attribute.Key("maillon.usage.input_tokens")
	keyOutputTotal = attribute.Key("maillon.usage.output_tokens")

	keyIterations = attribute.Key("maillon.sampling.iterations")
	keyBudget     = attribute.Key("maillon.sampling.loop_budget")

	keyRequirements = attribute.Key("maillon.validation.requirements")
	keyFailed       = attribute.Key("maillon.validation.failed")
	keyPassed       = attribute.Key("maillon.validation.passed")
	keyValidator    = attribute.Key("maillon.validation.kind")

	keyGenerations  = attribute.Key("maillon.session.generations")
	keyInteractions = attribute.Key("maillon.session.interactions")

	keyLink      = attribute.Key("maillon.link.name")
	keyLinkChain = attribute.Key("maillon.link.chain")
	keyLinkKind  = attribute.Key("maillon.link.kind")
	keyLinkMode  = attribute.Key("maillon.link.mode")
	keyLinkScope = attribute.Key("maillon.link.scope")
)
