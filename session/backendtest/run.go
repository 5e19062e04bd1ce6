package backendtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Subject is the backend under test.
type Subject struct {
	// Start makes the backend, and starts a server for it that replies as the service says. It is called once for each
	// check. What it starts it ends by tb.Cleanup; the suite closes a backend that is an io.Closer before that.
	Start func(tb testing.TB, s *Service) session.Backend
	// Local says that the backend is a model in this process, without a server. What is about the wire is left out then, and
	// options are judged by what they do to the answer. Its answers to Prompt need a few words.
	Local bool
	// Options are part of every request: for a Local backend those that make its answers repeatable, such as a seed.
	Options stages.ModelOptions
	// Prompt is what a Local backend is asked, by default for a note about the tide.
	Prompt string
	// Without are kinds of errors that the protocol cannot tell from others, such as BackendContentPolicy.
	Without []session.BackendErrorKind
	// Patience is how long to wait for what should happen at once, by default 10 seconds.
	Patience time.Duration
}

// Check is one thing that Run looks at, and the name of its subtest.
type Check string

// The checks, in the order in which they run.
const (
	// CheckAnswer: text, finish reason, usage and model arrive; the payload that was asked with stays as it is; and what
	// Describe says is so.
	CheckAnswer Check = "answer"
	// CheckStream: the pieces of a stream are the unary text, and everything else of the answer is the same too.
	CheckStream Check = "stream"
	// CheckCancel: cancellation ends the call and the request on the wire, and so does an error of emit.
	CheckCancel Check = "cancel"
	// CheckErrors: errors are *session.BackendError of the right kind, keep the conversation to themselves, and are not
	// retried.
	CheckErrors Check = "errors"
	// CheckOptions: model options and the model are passed on, or refused by name.
	CheckOptions Check = "options"
	// CheckRequest: messages, tools, formats and images are passed on; or refused by name, where the capabilities say no.
	CheckRequest Check = "request"
	// CheckConcurrency: 64 goroutines ask at once, and each gets its own answer.
	CheckConcurrency Check = "concurrency"
	// CheckGoroutines: nothing runs any more after all this.
	CheckGoroutines Check = "goroutines"
)

// Run checks a backend, each check a subtest. It takes about a second. Do not run it in parallel with tests that start
// goroutines: they would be taken for the backend's. Run it with -race.
func Run(t *testing.T, s Subject) {
	t.Helper()
	running := goleak.IgnoreCurrent()
	for _, c := range checks {
		t.Run(string(c.name), func(t *testing.T) {
			e := newExam(t, s)
			c.run(e)
			for _, complaint := range e.complaints {
				t.Error(complaint)
			}
		})
	}
	t.Run(string(CheckGoroutines), func(t *testing.T) {
		if err := goleak.Find(running); err != nil {
			t.Errorf("after everything was closed: %v", err)
		}
	})
}

// checks are all but CheckGoroutines.
var checks = []struct {
	name Check
	run  func(*exam)
}{
	{CheckAnswer, (*exam).answer},
	{CheckStream, (*exam).stream},
	{CheckCancel, (*exam).cancel},
	{CheckErrors, (*exam).errors},
	{CheckOptions, (*exam).options},
	{CheckRequest, (*exam).request},
	{CheckConcurrency, (*exam).concurrency},
}

// exam is one check in progress.
type exam struct {
	Subject
	service    *Service
	backend    session.Backend
	streamer   session.Streamer // nil for none
	about      stages.Backend
	complaints []string
}

func newExam(t *testing.T, s Subject) *exam {
	t.Helper()
	if s.Start == nil {
		t.Fatal("backendtest: a Subject needs Start")
	}
	if s.Patience <= 0 {
		s.Patience = 10 * time.Second
	}
	if s.Prompt == "" || !s.Local {
		s.Prompt = "Write a note about tonight's tide."
	}
	e := &exam{Subject: s, service: &Service{}}
	e.service.answers(always(says("An answer.")))
	e.backend = s.Start(t, e.service)
	if e.backend == nil {
		t.Fatal("backendtest: Start returned nil")
	}
	if c, ok := e.backend.(io.Closer); ok {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	if d, ok := e.backend.(session.Describer); ok {
		e.about = d.Describe()
	}
	e.streamer, _ = e.backend.(session.Streamer)
	return e
}

func (e *exam) bad(format string, a ...any) {
	e.complaints = append(e.complaints, fmt.Sprintf(format, a...))
}

// generation asks the prompt.
func (e *exam) generation(change ...func(*stages.GenerationFields)) *stages.Generation {
	f := stages.GenerationFields{
		Messages:     stages.ListOf(stages.Message{Role: stages.RoleUser, Text: e.Prompt}),
		ModelOptions: e.Options, Backend: e.about,
	}
	if f.Backend.Model == "" && !e.Local {
		f.Backend.Model = "model-to-ask"
	}
	for _, c := range change {
		c(&f)
	}
	return stages.NewGeneration(stages.Meta{}, f)
}

// outcome is what came of a call.
type outcome struct {
	g       *stages.Generation
	err     error
	emitted []string
	hung    bool
}

func (o outcome) text() string { return strings.Join(o.emitted, "") }

// way is one of the two ways to ask.
type way struct {
	name string
	ask  func(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error)
}

// ways are those that the backend has.
func (e *exam) ways() []way {
	all := []way{{"Generate", func(ctx context.Context, g *stages.Generation, _ func(string) error) (*stages.Generation, error) {
		return e.backend.Generate(ctx, g)
	}}}
	if e.streamer != nil {
		all = append(all, way{"GenerateStream", e.streamer.GenerateStream})
	}
	return all
}

// do asks and waits, for at most the patience.
func (e *exam) do(ctx context.Context, w way, g *stages.Generation, emit func(string) error) outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.g, o.err = w.ask(ctx, g, func(text string) error {
			o.emitted = append(o.emitted, text)
			if emit != nil {
				return emit(text)
			}
			return nil
		})
		done <- o
	}()
	o, ok := receive(done, e.Patience)
	if !ok {
		e.bad("%s did not return within %v", w.name, e.Patience)
		return outcome{hung: true, err: errors.New("hung")}
	}
	if o.err == nil && (o.g == nil || !o.g.HasResult()) {
		e.bad("%s returned neither an answer nor an error", w.name)
		o.err = errors.New("nothing")
	}
	return o
}

// receive waits for ch, but not for longer than the patience.
func receive[T any](ch <-chan T, patience time.Duration) (v T, ok bool) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case v = <-ch:
		return v, true
	case <-t.C:
		return v, false
	}
}
