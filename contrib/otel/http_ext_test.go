package otel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/ollama"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// spy notes what the active span has while a request is under way.
type spy struct {
	http.RoundTripper

	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan // active when the instrumented client was called
	attrs []map[string]string
}

func (s *spy) RoundTrip(r *http.Request) (*http.Response, error) {
	span, _ := trace.SpanFromContext(r.Context()).(sdktrace.ReadOnlySpan)
	if span != nil {
		attrs := map[string]string{}
		for _, a := range span.Attributes() {
			attrs[string(a.Key)] = a.Value.Emit() //nolint:staticcheck // the one text for all types
		}
		s.mu.Lock()
		s.spans, s.attrs = append(s.spans, span), append(s.attrs, attrs)
		s.mu.Unlock()
	}
	return s.RoundTripper.RoundTrip(r)
}

// A real backend with an instrumented client: its spans are below the chat span, which has what is known by then, the
// server is told of the trace, and a retry has a span of its own for each attempt.
func TestHTTPClientsNest(t *testing.T) {
	t.Parallel()
	for _, streamed := range []bool{false, true} {
		t.Run(fmt.Sprintf("streamed=%v", streamed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, otel.Settings{})
			var mu sync.Mutex
			var parents []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				mu.Lock()
				parents = append(parents, q.Header.Get("Traceparent")+" "+q.Header.Get("Baggage"))
				first := len(parents) == 1
				mu.Unlock()
				if first {
					http.Error(w, `{"error":"SECRET"}`, http.StatusServiceUnavailable)
					return
				}
				if streamed {
					fmt.Fprintln(w, `{"message":{"content":"Half "},"done":false}`)
				}
				fmt.Fprintln(w, `{"model":"tiny","message":{"content":"past six."},"done":true,"done_reason":"stop","prompt_eval_count":8,"eval_count":4}`)
			}))
			defer server.Close()
			w3c := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			s := &spy{RoundTripper: otelhttp.NewTransport(transport, otelhttp.WithTracerProvider(r.tracer), otelhttp.WithPropagators(w3c))}
			b, err := ollama.New(ollama.WithBaseURL(server.URL), ollama.WithModel("tiny"), ollama.WithHTTPClient(&http.Client{Transport: s}))
			if err != nil {
				t.Fatal(err)
			}
			one := r.start(t, b, session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Generation.Use(chain.Intercept[*stages.Generation]("retry", middleware.Retry(2, middleware.RetryBase(1))))
				return err
			}))
			ctx, caller := r.tracer.Tracer("caller").Start(withBaggage(t), "handler")
			if streamed {
				for _, err := range one.Stream(ctx, "SECRET").Text() {
					if err != nil {
						t.Fatal(err)
					}
				}
			} else if _, err := one.Instruct(ctx, "SECRET"); err != nil {
				t.Fatal(err)
			}
			caller.End()
			if err := one.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			want := `session
handler
  component Instruction
    sampling rejection_sampling
      chat tiny
        HTTP POST
        HTTP POST
`
			if tree := r.tree(); tree != want {
				t.Errorf("got\n%swant\n%s", tree, want)
			}
			chat := r.span(t, "chat tiny")
			has(t, chat, map[string]string{
				"gen_ai.provider.name": "ollama", "gen_ai.usage.input_tokens": "8", "gen_ai.usage.output_tokens": "4",
				"gen_ai.response.finish_reasons": `["stop"]`, "error.type": "-",
			})
			if len(s.spans) != 2 || len(parents) != 2 {
				t.Fatalf("%d requests, %d with a span", len(parents), len(s.spans))
			}
			for i, attrs := range s.attrs {
				if s.spans[i].SpanContext().SpanID() != chat.SpanContext().SpanID() {
					t.Errorf("%s was active", s.spans[i].Name())
				}
				for k, v := range map[string]string{
					"maillon.component.kind": "Instruction", "maillon.strategy": "rejection_sampling", "gen_ai.operation.name": "chat",
					"gen_ai.request.model": "tiny", "gen_ai.provider.name": "ollama", "gen_ai.response.finish_reasons": "", "gen_ai.usage.input_tokens": "",
				} {
					if attrs[k] != v {
						t.Errorf("during the request %s is %q, want %q", k, attrs[k], v)
					}
				}
				if attrs["maillon.request.id"] == "" {
					t.Error("no request id during the request")
				}
				if !strings.Contains(parents[i], caller.SpanContext().TraceID().String()) || !strings.HasSuffix(parents[i], " team=harbour") {
					t.Errorf("the server was told %q", parents[i])
				}
			}
			noSecret(t, r)
		})
	}
}
