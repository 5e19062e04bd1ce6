package exampletest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder stands in for a test that may fail.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Error(a ...any)            { r.failures = append(r.failures, fmt.Sprint(a...)) }
func (r *recorder) Errorf(f string, a ...any) { r.failures = append(r.failures, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatal(a ...any)            { r.Error(a...); panic(r) }

// failures are those of a Run.
func failures(t *testing.T, example func(context.Context, io.Writer) error, secrets ...string) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		Run(r, example, secrets...)
	}()
	return strings.Join(r.failures, "\n")
}

const (
	question = "Who has the spare key of the \"Marie\"?"
	answer   = "Ines has it, behind the third buoy.\nAsk her politely!"
)

// ask is an example with a pipeline and a session.
func ask(ctx context.Context, w io.Writer, pipeline stages.PipelineConfig, logger *zap.Logger) error {
	p := stages.NewPipeline(pipeline)
	b := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: answer, FinishReason: stages.FinishStop}}), nil
	})
	return errors.Join(session.Run(ctx, func(ctx context.Context, s *session.Session) error {
		res, err := s.Instruct(ctx, question)
		if err != nil {
			return err
		}
		fmt.Fprint(w, res.Text())
		return nil
	}, session.WithBackend(b), session.WithPipeline(p), session.WithLogger(logger)), p.Close(ctx))
}

func logs() stages.PipelineConfig { return stages.PipelineConfig{Logger: zap.L()} }

func TestRun(t *testing.T) {
	good := func(ctx context.Context, w io.Writer) error { return ask(ctx, w, logs(), zap.L()) }
	after := func(f func()) func(context.Context, io.Writer) error {
		return func(ctx context.Context, w io.Writer) error { defer f(); return good(ctx, w) }
	}
	for _, tc := range []struct {
		name    string
		example func(context.Context, io.Writer) error
		secrets []string
		want    string // "" if all is well
	}{
		{name: "nothing leaks", example: good, secrets: []string{"hunter2"}},
		{name: "parts that are too short", example: after(func() { zap.L().Info("the spare key") })},
		{name: "without a session", example: func(ctx context.Context, _ io.Writer) error {
			b := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: answer}}), nil
			})
			_, err := session.Instruct(ctx, b, stages.History{}, question)
			return err
		}},
		{name: "a question at debug", example: after(func() { zap.L().Debug("asked", zap.String("q", question)) }), want: "has the spare key of"},
		{name: "a part of it", example: after(func() { zap.L().Debug("asked", zap.String("q", question[:27])) }), want: "has the spare key of"},
		{name: "an answer, quoted twice", example: after(func() { zap.L().Sugar().Infof("%q", fmt.Sprintf("%q", answer)) }), want: "buoy ask her politely"},
		{name: "in a field of a struct", example: after(func() { zap.L().Info("", zap.Any("x", struct{ A []string }{[]string{answer}})) }), want: "it behind the third"},
		{name: "in another case", example: after(func() { zap.L().Info(strings.ToUpper(answer)) }), want: "it behind the third"},
		{name: "on os.Stderr", example: after(func() { fmt.Fprintln(os.Stderr, question) }), want: "has the spare key of"},
		{name: "on os.Stdout", example: after(func() { fmt.Fprintln(os.Stdout, question) }), want: "has the spare key of"},
		{name: "package log", example: after(func() { log.Print(question) }), want: "has the spare key of"},
		{name: "package slog", example: after(func() { slog.Info(question) }), want: "has the spare key of"},
		{name: "a secret", example: after(func() { zap.L().Info("", zap.Error(errors.New("login: hunter2"))) }), secrets: []string{"hunter2"}, want: "hunter2"},
		{name: "texts of errors", example: func(ctx context.Context, w io.Writer) error {
			return ask(ctx, w, stages.PipelineConfig{Logger: zap.L(), LogErrorText: true}, zap.L())
		}, want: "has the spare key of"},
		{name: "the pipeline logs elsewhere", example: func(ctx context.Context, w io.Writer) error { return ask(ctx, w, stages.PipelineConfig{}, zap.L()) }, want: "a pipeline does not log to zap.L()"},
		{name: "the session logs elsewhere", example: func(ctx context.Context, w io.Writer) error { return ask(ctx, w, logs(), nil) }, want: "a session does not log to zap.L()"},
		{name: "no log at all", example: func(context.Context, io.Writer) error { return nil }, want: "nothing was logged"},
		{name: "an example that fails", example: func(context.Context, io.Writer) error { return io.ErrUnexpectedEOF }, want: "unexpected EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := failures(t, tc.example, tc.secrets...)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRunPutsEverythingBack(t *testing.T) {
	stderr, stdout, w, process, logger := os.Stderr, os.Stdout, log.Writer(), stages.Default, zap.L()
	if got := Run(t, func(ctx context.Context, w io.Writer) error { return ask(ctx, w, logs(), zap.L()) }); got != answer {
		t.Errorf("it wrote %q", got)
	}
	if os.Stderr != stderr || os.Stdout != stdout || log.Writer() != w || stages.Default != process || zap.L() != logger {
		t.Error("something is not as it was")
	}
}

func TestGolden(t *testing.T) {
	t.Chdir(t.TempDir())
	r := &recorder{TB: t}
	if err := os.Mkdir("testdata", 0o700); err != nil {
		t.Fatal(err)
	}
	*update = true
	Golden(r, "one")
	*update = false
	Golden(r, "one")
	if len(r.failures) != 0 {
		t.Errorf("the same text: %q", r.failures)
	}
	Golden(r, "two")
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "two") {
		t.Errorf("another text: %q", r.failures)
	}
}
