package exampletest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maillon-go/maillon/stages"
)

// Run runs an example with its logs caught, and returns what it wrote to w. Logs are zap.L() at the level debug, where
// pipelines and sessions must log to, the package log, os.Stderr and os.Stdout. The test fails if one of them has
//
//   - four words in a row, or more where they are short, of a prompt, an answer, or the arguments or the result of a tool:
//     of each call that is made with the context that the example is given, before and after links have rewritten it, and
//     although links of Run's own fail with errors and panics that quote it;
//   - one of the secrets, for what Run does not see, such as keys and calls that are no model's.
//
// Letters and digits count, neither case nor what is between words. The logs are those of the process: Run is not for
// parallel tests.
func Run(tb testing.TB, example func(ctx context.Context, w io.Writer) error, secrets ...string) string {
	tb.Helper()
	var out strings.Builder
	r := &reader{texts: map[string]bool{}}
	logs, err := caught(tb.TempDir(), func(logger *zap.Logger) error {
		r.core = logger.Core()
		ctx, release, err := stages.WithPlugins(tb.Context(), r.links()...)
		if err != nil {
			return err
		}
		return errors.Join(example(ctx, &out), release())
	})
	if err != nil {
		tb.Fatal(err)
	}
	if logs == "" {
		tb.Error("nothing was logged: does the example log to zap.L()?")
	}
	if n := strings.Count(logs, `"link":"`+failing+`"`); n != r.failed {
		tb.Errorf("of %d failures that are ignored %d were logged: a pipeline does not log to zap.L()", r.failed, n)
	}
	if r.elsewhere {
		tb.Error("a session does not log to zap.L(): session.WithLogger")
	}
	if found := leaks(logs, r.all(), secrets); len(found) > 0 {
		tb.Errorf("logs have %d of the secrets and phrases, such as %q", len(found), found[:min(len(found), 5)])
	}
	return out.String()
}

// caught gives what f logs.
func caught(dir string, f func(*zap.Logger) error) (logs string, err error) {
	std, err := os.Create(filepath.Join(dir, "std")) //nolint:gosec // in a folder of the test
	if err != nil {
		return "", err
	}
	var lines bytes.Buffer
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&lines)), zap.DebugLevel))

	err = func() error {
		defer zap.ReplaceGlobals(logger)()
		stderr, stdout, w, process := os.Stderr, os.Stdout, log.Writer(), stages.Default
		defer func() {
			os.Stderr, os.Stdout, stages.Default = stderr, stdout, process
			log.SetOutput(w)
		}()
		os.Stderr, os.Stdout, stages.Default = std, std, stages.NewPipeline(stages.PipelineConfig{Logger: logger})
		log.SetOutput(std)
		own := stages.Default
		return errors.Join(f(logger), own.Close(context.Background()))
	}()
	printed, errRead := os.ReadFile(std.Name())
	return lines.String() + string(printed), errors.Join(err, std.Close(), errRead)
}
