// Command quickstart runs one session with plugins on the small language model in the box: no key, no server, no set-up.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -seed 7 "Write a note about the lamp at the harbour gate."
//
// It prints the plan, the timeline of one call stage by stage, what each plugin saw, and a call that a plugin blocks. The
// plugins are in plugins.go, the timeline is in timeline.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const (
	defaultPrompt = "Write a note about tonight's tide."
	defaultSeed   = 1
	attempts      = 5
)

func main() {
	seed := flag.Uint64("seed", defaultSeed, "the model's seed: the same one gives the same texts")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: quickstart [-seed N] [prompt]")
		flag.PrintDefaults()
	}
	flag.Parse()
	prompt := strings.Join(flag.Args(), " ")
	if prompt == "" {
		prompt = defaultPrompt
	}
	if err := run(context.Background(), os.Stdout, prompt, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, prompt string, seed uint64) (err error) {
	pipeline := stages.NewPipeline(stages.PipelineConfig{
		// zap.L() logs nothing as long as the program does not say where to: zap.ReplaceGlobals.
		Logger:     zap.L(),
		Dispatcher: chain.NewDispatcher(chain.DispatcherConfig{Workers: 1}), // one, so that the audit keeps the order
	})
	plugins := newPlugins()
	if err := plugins.register(pipeline); err != nil {
		return err
	}
	s, err := session.Start(ctx,
		session.WithPipeline(pipeline),
		session.WithLogger(zap.L()),
		session.WithBackend(ngram.NewBackend(ngram.WithSeed(seed))),
		session.WithUser("ines"),
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	heading(w, "The plan: which links run at which stage, in which order")
	fmt.Fprint(w, pipeline.Explain())

	heading(w, "The timeline of one call: %q", prompt)
	stop, err := timeline(w, s.Pipeline())
	if err != nil {
		return err
	}
	res, err := s.Instruct(ctx, prompt, session.Require(short), session.LoopBudget(attempts))
	stop()
	var blocked *chain.Violation
	switch {
	case errors.As(err, &blocked):
		fmt.Fprintf(w, "\nblocked: %v\n", blocked)
	case err != nil:
		return err
	default:
		answer(w, res)
	}

	heading(w, "What each plugin saw")
	if err := s.Pipeline().Drain(ctx); err != nil { // the audit runs in the background
		return err
	}
	plugins.report(w)

	const forbidden = "Write a note about a crate of dynamite."
	heading(w, "A call that a plugin blocks: %q", forbidden)
	_, err = s.Instruct(ctx, forbidden)
	if !errors.As(err, &blocked) {
		return fmt.Errorf("the call should have been blocked, got %w", err)
	}
	fmt.Fprintf(w, "error:    %v\n", err)
	fmt.Fprintf(w, "by:       link %q of chain %q\ncode:     %s\nseverity: %s\n", blocked.Link, blocked.Chain, blocked.Code, blocked.Severity)
	if err := s.Pipeline().Drain(ctx); err != nil {
		return err
	}
	fmt.Fprintf(w, "audited:  %s\n", plugins.lastRecord())
	return nil
}

// short is a requirement that the model meets only now and then.
var short = session.Check("Use at most 16 words.", func(text string) (bool, string) {
	n := len(strings.FieldsFunc(text, unicode.IsSpace))
	return n <= 16, fmt.Sprintf("it has %d words", n)
})

func answer(w io.Writer, res *session.Result) {
	fmt.Fprintf(w, "\nanswer after %d of at most %d attempts, all requirements met: %v\n", res.Attempts.Len(), attempts, res.Success)
	for i, a := range res.Attempts.All() {
		fmt.Fprintf(w, "  %d. %s\n", i+1, a.Result.Text)
	}
}

func heading(w io.Writer, format string, a ...any) {
	fmt.Fprintf(w, "\n== "+format+"\n\n", a...)
}
