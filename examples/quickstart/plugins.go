package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// plugins are a content check, a redaction and an audit. Each is a function; what they count is shared by all calls, so
// it has a lock.
type plugins struct {
	mu                sync.Mutex
	checked, stopped  int
	addresses, texts  int
	records           []string
	repairs, attempts int
}

func newPlugins() *plugins { return &plugins{} }

func (pl *plugins) register(p *stages.Pipeline) error {
	_, err1 := p.Generation.Use(
		chain.Before("topics", pl.topics),
		chain.After("redact", pl.redact),
		chain.Observe("audit", pl.audit, chain.InMode(chain.FireAndForget)),
	)
	_, err2 := p.Repair.Use(chain.Observe("repairs", func(context.Context, chain.Outcome[*stages.Repair]) {
		pl.count(&pl.repairs)
	}))
	_, err3 := p.Iteration.Use(chain.Observe("attempts", func(context.Context, chain.Outcome[*stages.Iteration]) {
		pl.count(&pl.attempts)
	}))
	return errors.Join(err1, err2, err3)
}

func (pl *plugins) count(n *int) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	*n++
}

// topics blocks what the harbour office does not write about, before anything is sent.
func (pl *plugins) topics(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	pl.count(&pl.checked)
	for _, m := range g.Messages().All() {
		if m.Role == stages.RoleUser && strings.Contains(strings.ToLower(m.Text), "dynamite") {
			pl.count(&pl.stopped)
			return nil, chain.Block("not a topic for this office", chain.Code("topic"))
		}
	}
	return g, nil
}

var address = regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`)

// redact puts a mark in the place of e-mail addresses in an answer, before anybody else sees it.
func (pl *plugins) redact(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	pl.count(&pl.texts)
	text := address.ReplaceAllStringFunc(g.Output().Text, func(string) string {
		pl.count(&pl.addresses)
		return "[e-mail]"
	})
	if text == g.Output().Text {
		return g, nil
	}
	return g.WithText(text), nil
}

// audit writes one record for every generation, the blocked ones too, in the background.
func (pl *plugins) audit(_ context.Context, o chain.Outcome[*stages.Generation]) {
	record := fmt.Sprintf("user %s, %s", o.Payload.Meta().UserID, o.Verdict)
	if o.Link != "" {
		record += " by " + o.Link
	}
	if o.Err == nil {
		record += fmt.Sprintf(", %d tokens: %s", o.Payload.Output().Usage.Total(), o.Payload.Output().Text)
	}
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.records = append(pl.records, record)
}

func (pl *plugins) report(w io.Writer) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	fmt.Fprintf(w, "topics:   checked %d requests, stopped %d\n", pl.checked, pl.stopped)
	fmt.Fprintf(w, "redact:   looked at %d answers, took out %d addresses\n", pl.texts, pl.addresses)
	fmt.Fprintf(w, "attempts: %d, repairs between them: %d\n", pl.attempts, pl.repairs)
	fmt.Fprintf(w, "audit:    %d records, written in the background:\n", len(pl.records))
	for _, r := range pl.records {
		fmt.Fprintf(w, "          %s\n", r)
	}
}

func (pl *plugins) lastRecord() string {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if len(pl.records) == 0 {
		return "nothing"
	}
	return pl.records[len(pl.records)-1]
}
