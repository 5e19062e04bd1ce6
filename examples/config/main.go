// Config runs plugins from a YAML file and changes the file while calls are in flight: a policy is first rolled out in
// audit mode, where it only counts what it would block, and then enforced. Neither the program nor a call is stopped.
//
//	go run ./examples/config
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// audit is the file that the program starts with, enforce the one that takes its place.
const (
	audit = `plugins:
  - name: topics
    kind: blocked_words
    mode: audit
    conditions:
      - labels: {audience: public}
    config: {words: [weapons]}
`
	enforce = `plugins:
  - name: topics
    kind: blocked_words
    conditions:
      - labels: {audience: public}
    config: {words: [weapons]}
`
	broken = `plugins:
  - name: topics
    kind: blocked_words
    mode: enfore
`
)

// words are the settings of a "blocked_words" plugin.
type words struct{ Words []string }

// topics blocks requests that contain one of the words.
type topics struct{ words }

var _ stages.OnComponentPreExecute = (*topics)(nil)

// OnComponentPreExecute is found by its name.
func (t *topics) OnComponentPreExecute(_ context.Context, c *stages.Component) (*stages.Component, error) {
	messages, err := c.Action().Messages()
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		for _, w := range t.Words {
			if strings.Contains(strings.ToLower(m.Text), w) {
				return nil, chain.Block("the request is about something that we do not talk about", chain.Code("topic"))
			}
		}
	}
	return c, nil
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "maillon")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "maillon.yaml")
	if err := os.WriteFile(path, []byte(audit), 0o600); err != nil {
		return err
	}

	kinds := config.NewKinds()
	config.Register(kinds, "blocked_words", func(s words) (any, error) { return &topics{s}, nil })
	p := stages.NewPipeline(stages.PipelineConfig{Logger: zap.L()})
	file, err := config.Open(ctx, path, config.Options{Pipeline: p, Kinds: kinds, Logger: zap.L()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(ctx), p.Close(ctx)) }()

	s, err := session.Start(ctx, session.WithBackend(ngram.NewBackend(ngram.WithSeed(1))), session.WithPipeline(p),
		session.WithLogger(zap.L()), session.WithLabel("audience", "public"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	// Calls go on in the background all the time; none of them may fail.
	var failed atomic.Int64
	done, stop := context.WithCancel(ctx)
	var traffic sync.WaitGroup
	defer func() { stop(); traffic.Wait() }()
	for range 4 {
		traffic.Go(func() {
			for done.Err() == nil {
				if _, err := s.Instruct(ctx, "Write one line about the sea."); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	ask := func() error {
		_, err := s.Instruct(ctx, "Write one line about weapons.")
		return err
	}

	fmt.Fprintf(w, "in audit mode:  %v\n", ask())
	l, _ := p.Component.Stats().Link("topics.component_pre_execute")
	fmt.Fprintf(w, "would blocks:   %d\n", l.WouldBlocks)

	change := func(text string) error {
		before := p.Explain()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		err := file.Reload(ctx) // file.Watch does this whenever the file changes
		fmt.Fprintf(w, "the difference: %s", before.Diff(p.Explain()))
		return err
	}
	if err := change(enforce); err != nil {
		return err
	}
	fmt.Fprintf(w, "enforced:       %v\n", ask())
	l, _ = p.Component.Stats().Link("topics.component_pre_execute")
	fmt.Fprintf(w, "its counts stay: %d would-block, %d block\n", l.WouldBlocks, l.Blocks)

	err = change(broken)
	fmt.Fprintf(w, "a bad file:     %s\n", strings.ReplaceAll(fmt.Sprint(err), dir+string(filepath.Separator), ""))
	fmt.Fprintf(w, "still enforced: %v\n", ask())

	stop()
	traffic.Wait()
	fmt.Fprintf(w, "calls that failed meanwhile: %d\n", failed.Load())
	return nil
}
