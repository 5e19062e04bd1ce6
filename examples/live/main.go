// Command live does what the other examples do with a real model: it asks an Ollama server, or OpenAI or any server that is
// compatible with it.
//
//	OPENAI_API_KEY=sk-... go run -C examples/live .
//	OPENAI_BASE_URL=http://localhost:8000/v1 go run -C examples/live . -model qwen3
//	OLLAMA_HOST=127.0.0.1:11434 go run -C examples/live . -model llama3.2 -only quickstart,streaming
//
// Where both are set, OPENAI_BASE_URL and OPENAI_API_KEY win. What the model answers is its own affair: an answer that does
// not fulfil its requirements is shown, and is no error of the program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/ollama"
	"github.com/maillon-go/maillon/contrib/openai"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const (
	openaiModel = "gpt-4.1-mini"
	ollamaModel = "llama3.2"
)

var errNoServer = errors.New("no model to ask: set OPENAI_API_KEY for OpenAI, OPENAI_BASE_URL for a compatible server " +
	"(with OPENAI_API_KEY where it wants a key), or OLLAMA_HOST for Ollama, such as OLLAMA_HOST=127.0.0.1:11434")

func main() {
	model := flag.String("model", "", "the model, by the server's name for it (by default "+openaiModel+", or "+ollamaModel+" of Ollama)")
	only := flag.String("only", "", "which of them to run, by their names with commas between (by default all): "+strings.Join(names(), ","))
	timeout := flag.Duration("timeout", time.Minute, "the time for one request")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Getenv, *model, *only, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

// demos are in runs.go.
var demos = []struct {
	name string
	run  func(ctx context.Context, w io.Writer, s *session.Session, strong session.Backend) error
}{
	{"quickstart", quickstart},
	{"instruct-validate-repair", instructValidateRepair},
	{"slots", slots},
	{"tools", tools},
	{"streaming", streaming},
	{"two-solvers", twoSolvers},
}

func names() (all []string) {
	for _, d := range demos {
		all = append(all, d.name)
	}
	return all
}

// server is what both backends are.
type server interface {
	session.Streamer
	session.Describer
	io.Closer
}

// backend is the one that the environment speaks of.
func backend(env func(string) string, model string) (server, error) {
	base, key, host := env("OPENAI_BASE_URL"), env("OPENAI_API_KEY"), env("OLLAMA_HOST")
	switch {
	case base != "" || key != "":
		opts := []openai.Option{openai.WithModel(or(model, openaiModel)), openai.WithKey(key)}
		if base != "" {
			opts = append(opts, openai.WithBaseURL(base))
		}
		return openai.New(opts...)
	case host != "":
		return ollama.New(ollama.WithModel(or(model, ollamaModel)), ollama.WithBaseURL(host))
	}
	return nil, errNoServer
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

func run(ctx context.Context, w io.Writer, env func(string) string, model, only string, timeout time.Duration) error {
	var chosen []string
	if only != "" {
		chosen = strings.Split(only, ",")
	}
	for _, name := range chosen {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no %q, only %s", name, strings.Join(names(), ", "))
		}
	}
	for _, d := range demos {
		if chosen != nil && !slices.Contains(chosen, d.name) {
			continue
		}
		if err := demonstrate(ctx, w, env, model, timeout, d.name, d.run); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// demonstrate runs one of them in a session of its own.
func demonstrate(
	ctx context.Context, w io.Writer, env func(string) string, model string, timeout time.Duration, name string,
	f func(context.Context, io.Writer, *session.Session, session.Backend) error,
) (err error) {
	b, err := backend(env, model)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	s, err := session.Start(ctx, session.WithBackend(b), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{Logger: zap.L()})),
		session.WithLogger(zap.L()), session.WithSetup(patient(timeout)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	d := b.Describe()
	fmt.Fprintf(w, "== %s: %s of %s\n\n", name, d.Model, d.Provider)
	if err := f(ctx, w, s, b); err != nil {
		return err
	}
	t := s.Totals()
	fmt.Fprintf(w, "(%d requests, %d tokens)\n\n", t.Generations, t.Usage.Total())
	return nil
}

// patient is what the backends leave to middleware: a request that failed for a while is made again, each with its own time.
func patient(timeout time.Duration) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		temporary := func(err error) bool {
			var e *session.BackendError
			return errors.As(err, &e) && e.Temporary()
		}
		g := p.Generation
		_, err := g.Use(
			g.Intercept("retry", middleware.Retry(3, middleware.RetryIf(temporary)), chain.Priority(10)),
			g.Intercept("timeout", middleware.Timeout(timeout), chain.Priority(20)),
		)
		return err
	}
}
