package ngram

import (
	_ "embed"
	"fmt"
	"sync"
)

// corpus is original prose written for this package: entries of one to three
// sentences, separated by blank lines. See [Train] for the format.
//
//go:embed corpus.txt
var corpus string

var defaultModel = sync.OnceValue(func() *Model {
	m, err := Train(corpus, Config{})
	if err != nil {
		panic(fmt.Sprintf("ngram: embedded corpus: %v", err)) // a broken build, covered by the tests
	}
	return m
})

// Default returns the model of the embedded corpus. The first call trains it
// (some milliseconds); later calls return the same model. It may be called
// concurrently.
func Default() *Model { return defaultModel() }
