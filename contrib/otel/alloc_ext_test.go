//go:build !race

package otel_test

import (
	"context"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/stages"
)

// What the links of a generation allocate, through a chain, by what there is to write to.
func TestAllocs(t *testing.T) { //nolint:paralleltest // it counts allocations
	nothing := otel.Settings{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}
	ctx := context.Background()
	g := stages.NewGeneration(stages.Meta{SessionID: "s", RequestID: "r"}, stages.GenerationFields{Backend: stages.Backend{Name: "test", Model: "m-1"}})
	for _, tc := range []struct {
		name string
		s    *otel.Settings
		most float64
	}{
		{"no plugin", nil, 0},
		{"providers that do nothing", &nothing, 1}, // the frame that every chain with an Around has
		{"no SDK in the process", &otel.Settings{}, 1},
	} {
		p := stages.NewPipeline(stages.PipelineConfig{})
		if tc.s != nil {
			plugin, err := otel.New(*tc.s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Register(ctx, plugin); err != nil {
				t.Fatal(err)
			}
		}
		call := p.Generation.Then(stages.Unchanged[*stages.Generation])
		n := testing.AllocsPerRun(200, func() { _, _ = call(ctx, g) })
		t.Logf("%s: %v", tc.name, n)
		if n > tc.most {
			t.Errorf("%s: %v allocations, at most %v", tc.name, n, tc.most)
		}
	}
}
