package config_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// forbidSettings are what a file says of a "forbid" plugin.
type forbidSettings struct{ Model string }

func Example() {
	kinds := config.NewKinds()
	config.Register(kinds, "forbid", func(s forbidSettings) (any, error) {
		return chain.Before("forbid", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if g.Backend().Model == s.Model {
				return nil, chain.Block("the model is not allowed")
			}
			return g, nil
		}), nil
	})
	dir, err := os.MkdirTemp("", "maillon")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "maillon.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			panic(err)
		}
	}

	ctx := context.Background()
	p := stages.NewPipeline(stages.PipelineConfig{})
	write("plugins:\n  - {name: models, kind: forbid, mode: audit, config: {model: big}}\n")
	c, err := config.Open(ctx, path, config.Options{Pipeline: p, Kinds: kinds})
	if err != nil {
		panic(err)
	}
	defer func() { _ = c.Close(ctx) }()
	call := p.Generation.Then(stages.Unchanged[*stages.Generation])
	big := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{Backend: stages.Backend{Model: "big"}})
	_, err = call(ctx, big)
	fmt.Println("audit:", err)

	write("plugins:\n  - {name: models, kind: forbid, config: {model: big}}\n")
	fmt.Println("reload:", c.Reload(ctx))
	_, err = call(ctx, big)
	fmt.Println("enforced:", err)

	_, err = config.PreviewBytes("maillon.yaml", []byte("plugins:\n  - {name: models, kind: forbit}\n"), kinds)
	fmt.Println(err)
	// Output:
	// audit: <nil>
	// reload: <nil>
	// enforced: generation/models: blocked (error): the model is not allowed
	// maillon.yaml:2:26: unknown kind "forbit" (did you mean "forbid"?)
	//   2 |   - {name: models, kind: forbit}
	//     |                          ^
}
