// Package stages is the lifecycle of a model call as data: the nouns (messages, histories, requirements, tools, ...), one
// frozen payload per stage, and one chain per stage in a Pipeline.
package stages
