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

// Schemas that are derived from Go types are of the keywords that the model knows.
func TestSlots(t *testing.T) {
	t.Parallel()
	type berth struct {
		Number int     `json:"number"`
		Depth  float64 `json:"depth"`
		Ship   *string `json:"ship"`
	}
	type report struct {
		Summary string         `json:"summary" jsonschema:"what happened at the harbour"`
		Calm    bool           `json:"calm,omitempty"`
		Berths  []berth        `json:"berths"`
		Counts  map[string]int `json:"counts"`
		Pair    [2]string      `json:"pair"`
	}
	slot := session.NewSlot[string, report]("report", "Reports on the day.")
	for seed := range int64(10) {
		got, err := slot.Call(t.Context(), session.On(ngram.NewBackend(), stages.History{}), "quiet",
			session.ModelOptions(stages.ModelOptions{Seed: stages.Some(seed)}), session.LoopBudget(1))
		if err != nil || got.Summary == "" || len(got.Berths) == 0 {
			t.Errorf("seed %d: %+v, %v", seed, got, err)
		}
	}
}
