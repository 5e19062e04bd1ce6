package otel_test

import (
	"os"
	"os/exec"
	"testing"

	otelapi "go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/session"
)

// A process that gets its SDK after the plugin was made has spans from then on. It is a process of its own, for the
// provider of a process can be set for good only.
func TestSDKComesLater(t *testing.T) {
	t.Parallel()
	const child = "MAILLON_OTEL_CHILD"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSDKComesLater$")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	p, err := otel.New(otel.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.Start(t.Context(), session.WithBackend(says(answer("yes"))), session.WithPlugins(p))
	if err != nil {
		t.Fatal(err)
	}
	spans := tracetest.NewSpanRecorder()
	chat := func(want int) {
		t.Helper()
		if _, err := s.Chat(t.Context(), "well?"); err != nil {
			t.Fatal(err)
		}
		if got := len(spans.Ended()); got != want {
			t.Errorf("%d spans, want %d", got, want)
		}
	}
	chat(0)
	otelapi.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	chat(3)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
