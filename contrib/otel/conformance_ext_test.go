package otel_test

import (
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/stages"
)

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	r := newRig(t, otel.Settings{Contents: true, Redact: redact})
	meta := stages.Meta{SessionID: "s", RequestID: "r"}
	for name, run := range map[string]func(t *testing.T){
		"component": func(t *testing.T) {
			chaintest.Run(t, chain.Around("otel", r.WrapComponent), chaintest.Payload(func() *stages.Component { return stages.NewComponent(meta, stages.ComponentFields{}) }))
		},
		"sampling": func(t *testing.T) {
			chaintest.Run(t, chain.Around("otel", r.WrapSampling), chaintest.Payload(func() *stages.Sampling { return stages.NewSampling(meta, stages.SamplingFields{}) }))
		},
		"generation": func(t *testing.T) {
			chaintest.Run(t, chain.Around("otel", r.WrapGeneration), chaintest.Payload(func() *stages.Generation { return stages.NewGeneration(meta, stages.GenerationFields{}) }))
		},
		"validation": func(t *testing.T) {
			chaintest.Run(t, chain.Around("otel", r.WrapValidation), chaintest.Payload(func() *stages.Validation {
				return stages.NewValidation(meta, stages.ValidationFields{Requirements: stages.ListOf(noon)})
			}))
		},
		"tool": func(t *testing.T) {
			chaintest.Run(t, chain.Around("otel", r.WrapTool), chaintest.Payload(func() *stages.Tool { return stages.NewTool(meta, stages.ToolFields{Name: "tide"}) }))
		},
		"session": func(t *testing.T) {
			chaintest.Run(t, chain.Observe("otel", r.ObserveSession), chaintest.Payload(func() *stages.Session { return stages.NewSession(meta, stages.SessionFields{}) }))
		},
		"cleanup": func(t *testing.T) {
			chaintest.Run(t, chain.Observe("otel", r.ObserveCleanup), chaintest.Payload(func() *stages.Cleanup { return stages.NewCleanup(meta, stages.CleanupFields{}) }))
		},
	} {
		t.Run(name, run)
	}
}
