package ngram_test

import (
	"context"
	"fmt"
	"log"

	"github.com/maillon-go/maillon/contrib/ngram"
)

// Greedy text depends on the prompt alone.
func ExampleModel_Generate() {
	res, err := ngram.Default().Generate(context.Background(), "Who looks after the crane?", ngram.Options{MaxSentences: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Text)
	fmt.Println(res.FinishReason, res.Usage.PromptTokens, res.Usage.CompletionTokens)
	// Output:
	// The crane at berth 9 is under repair.
	// stop 6 9
}

// A seed chooses one of many texts; a stop sequence cuts it.
func ExampleModel_Stream() {
	stream := ngram.Default().Stream(context.Background(), "Which cargo came in?", ngram.Options{
		Temperature: ngram.DefaultTemperature,
		Seed:        3,
		Stop:        []string{"."},
	})
	for chunk, err := range stream {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s|", chunk.Text)
	}
	// Output:
	// The| Marigold| carries| a| cargo| of| salt| and| barley||
}

func ExampleTrain() {
	m, err := ngram.Train("The cat sat. The dog sat.", ngram.Config{Order: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.1f for a known order, %.1f for an unknown one\n",
		m.Perplexity("The dog sat."), m.Perplexity("Sat dog the."))
	// Output:
	// 2.0 for a known order, 8.0 for an unknown one
}
