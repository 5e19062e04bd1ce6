package stages_test

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// What makes streams buffered.
func ExamplePipeline_Streaming() {
	p := stages.NewPipeline(stages.PipelineConfig{})
	fmt.Println(p.Streaming(context.Background()))
	nothing := stages.Unchanged[*stages.Generation]
	_, err := p.Generation.Use(chain.After("audit", nothing, stages.AcceptsChunks()), chain.After("redact", nothing))
	fmt.Println(p.Streaming(context.Background()), err)
	// Output:
	// streams are released chunk by chunk
	// streams are buffered until the generation has passed, because of [generation/redact] <nil>
}
