package ngram_test

import (
	"testing"

	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendtest"
	"github.com/maillon-go/maillon/stages"
)

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	backendtest.Run(t, backendtest.Subject{
		Start:   func(testing.TB, *backendtest.Service) session.Backend { return ngram.NewBackend() },
		Local:   true,
		Options: stages.ModelOptions{Seed: stages.Some(int64(7))},
	})
}
