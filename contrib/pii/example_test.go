package pii_test

import (
	"context"
	"fmt"
	"regexp"

	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The model, the history and every other plugin get tokens; the caller puts the originals back.
func Example() {
	p, err := pii.New(pii.Settings{Action: pii.Token})
	if err != nil {
		panic(err)
	}
	token := regexp.MustCompile(`\[EMAIL:[a-z]+\]`)
	backend := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		asked := g.Messages().At(0).Text
		fmt.Println("model: ", token.ReplaceAllString(asked, "[EMAIL:...]"))
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "I wrote to " + token.FindString(asked) + "."}}), nil
	})
	ctx := context.Background()
	s, err := session.Start(ctx, session.WithBackend(backend), session.WithPlugins(p))
	if err != nil {
		panic(err)
	}
	defer func() { _ = s.Close(ctx) }()

	vault := pii.NewVault(0)
	res, err := s.Instruct(pii.WithVault(ctx, vault), "Write to ann@example.com.")
	if err != nil {
		panic(err)
	}
	fmt.Println("result:", token.ReplaceAllString(res.Text(), "[EMAIL:...]"))
	fmt.Println("caller:", vault.Restore(res.Text()))
	// Output:
	// model:  Write to [EMAIL:...].
	// result: I wrote to [EMAIL:...].
	// caller: I wrote to ann@example.com.
}

// For logs and the like.
func ExampleScanner_Redact() {
	fmt.Println(pii.Default().Redact("card 4111 1111 1111 1111 of ann@example.com, from 203.0.113.9"))
	// Output: card [CARD] of [EMAIL], from [IP]
}
