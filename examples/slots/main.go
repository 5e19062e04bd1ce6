// Command slots calls typed functions that a model answers: once in a session, once without, and one whose answers never
// fit. It needs no key and no server: a scripted model in model.go gives the answers.
//
//	go run ./examples/slots
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// report is what the slot gets, and entry what it gives. The names in JSON are those that the model reads and writes.
type report struct {
	Text string `json:"text"`
}

type entry struct {
	Ship   string `json:"ship"`
	Metres int    `json:"metres" jsonschema:"length over all, in whole metres"`
	Needs  needs  `json:"needs"`
}

type needs struct {
	Water bool `json:"water"`
	Power bool `json:"power"`
}

var (
	read  = session.NewSlot[report, entry]("read report", "Read what the harbour master has written down about a ship.")
	rank  = session.NewSlot[[]entry, []string]("rank", "Which ships are served first? Begin with the most urgent one.")
	other = session.NewSlot[report, int]("berths", "How many berths are free?")
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "slots:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) (err error) {
	p := stages.NewPipeline(stages.PipelineConfig{Logger: zap.L()})
	if _, err := p.Repair.Use(chain.After("tell", func(_ context.Context, r *stages.Repair) (*stages.Repair, error) {
		for _, f := range r.Failed().Findings.All() {
			if !f.Verdict.Passed() {
				fmt.Fprintf(w, "  attempt %d: %q\n    turned down: %s\n", r.Number(), r.Failed().Result.Text, f.Verdict.Reason)
			}
		}
		return r, nil
	})); err != nil {
		return err
	}
	s, err := session.Start(ctx, session.WithPipeline(p), session.WithBackend(newModel()), session.WithLogger(zap.L()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	fmt.Fprintln(w, "In a session, with two answers that cannot be decoded:")
	e, err := read.Call(ctx, s, report{"Marie, some twelve metres. Wants {{water}}, no power."})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "  %+v\n", e)

	fmt.Fprintln(w, "\nA change of the value:")
	e, _, err = session.Transform(ctx, s, e, "She is a metre longer than we thought.")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "  %+v\n", e)

	fmt.Fprintln(w, "\nWithout a session:")
	order, err := rank.Call(ctx, session.On(newModel(), stages.History{}), []entry{e, {Ship: "Anna", Needs: needs{Power: true}}})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "  %v\n", order)

	fmt.Fprintln(w, "\nAnswers that never fit:")
	_, err = other.Call(ctx, session.On(newModel(), stages.History{}, session.WithPipeline(p)), report{"Fog."}, session.LoopBudget(2))
	var d *session.DecodeError
	if !errors.As(err, &d) {
		return fmt.Errorf("there should have been a DecodeError, got %w", err)
	}
	fmt.Fprintf(w, "  error: %v\n  problem: it %s\n", err, d.Problem)
	return nil
}
