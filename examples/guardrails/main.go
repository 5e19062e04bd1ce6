// Guardrails runs all plugins of this project together, from one file, around five calls: one that is allowed, one that is
// redacted, one that is blocked, one that is answered from the cache and one that is over the budget. Then it shows what the audit has.
//
//	go run -C examples/guardrails .
package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/all"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

//go:embed maillon.yaml
var file string

func main() {
	dir, err := os.MkdirTemp("", "guardrails")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), os.Stdout, dir)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
}

// calls are the five of them.
var calls = []struct{ what, question string }{
	{"allowed", "Write a sentence about tonight's tide."},
	{"redacted", "Write a sentence to ines@harbour.example, whose card is 4111 1111 1111 1111."},
	{"blocked", "What do you know about Project Osprey?"},
	{"cached", "Write a sentence about tonight's tide."},
	{"over budget", "Write a sentence about each ship in the harbour, and about each of its sailors, and about what they all had for breakfast."},
}

func run(ctx context.Context, w io.Writer, dir string) (err error) {
	logger := zap.L() // which logs nothing as long as the program does not say where to: zap.ReplaceGlobals
	trail := filepath.Join(dir, "audit.jsonl")
	path := filepath.Join(dir, "maillon.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(file, "audit.jsonl", trail, 1)), 0o600); err != nil {
		return err
	}

	// The plugins come from the file. What a file cannot say, such as where spans go, is in all.Options.
	p := stages.NewPipeline(stages.PipelineConfig{Logger: logger})
	defer func() { err = errors.Join(err, p.Close(ctx)) }()
	c, err := config.Open(ctx, path, config.Options{Pipeline: p, Kinds: all.Kinds(all.Options{Logger: logger}), Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()

	if err := five(ctx, w, p); err != nil {
		return err
	}
	return show(w, trail)
}

// five makes the calls, each of which knows nothing of the others.
func five(ctx context.Context, w io.Writer, p *stages.Pipeline) (err error) {
	backend := &counting{Backend: ngram.NewBackend()}
	s, err := session.Start(ctx, session.WithPipeline(p), session.WithBackend(backend), session.WithLogger(zap.L()), session.WithUser("anna"),
		session.WithHistoryKind(stages.HistorySingle), session.WithModelOptions(stages.ModelOptions{Seed: stages.Some(int64(7)), MaxTokens: stages.Some(24)}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	for i, call := range calls {
		before := backend.calls
		res, err := s.Instruct(ctx, call.question)
		fmt.Fprintf(w, "%d. %s: %s\n", i+1, call.what, call.question)
		if backend.calls > before {
			fmt.Fprintf(w, "   the model got: %s\n", backend.last)
		} else {
			fmt.Fprintln(w, "   the model was not asked")
		}
		if v, ok := errors.AsType[*chain.Violation](err); ok {
			fmt.Fprintf(w, "   blocked by %s: %s (%s)\n", v.Link, v.Reason, v.Code)
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "   answer: %s\n", strings.TrimSpace(res.Text()))
	}
	return nil
}

// counting shows what reaches the model.
type counting struct {
	*ngram.Backend
	calls int
	last  string
}

func (c *counting) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	c.calls++
	last := g.Messages().At(g.Messages().Len() - 1)
	c.last = strings.Join(strings.Fields(last.Text), " ")
	return c.Backend.Generate(ctx, g)
}

// show lists what the audit says of the generations, and checks that nobody has changed the file.
func show(w io.Writer, trail string) error {
	report, err := audit.Verify(trail, audit.VerifyOptions{})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nThe audit has %d records, and their chain is whole. The generations:\n", report.Records)
	b, err := os.ReadFile(trail)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		var line struct {
			Record audit.Record `json:"record"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}
		if r := line.Record; r.Chain == "generation" {
			tokens := 0
			if r.Usage != nil {
				tokens = r.Usage.Total()
			}
			fmt.Fprintf(w, "   %-8s %-8s %-14s %3d tokens  %s\n", r.Verdict, r.Source, r.Code, tokens, r.Link)
		}
	}
	return lines.Err()
}
