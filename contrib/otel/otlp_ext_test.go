package otel_test

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
)

// receiver is a collector for OTLP over HTTP.
type receiver struct {
	tb testing.TB

	mu    sync.Mutex
	spans map[string]*wire.Span
	scope string
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			c.tb.Error(err)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		c.tb.Error(err)
	}
	var q collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(b, &q); err != nil || r.URL.Path != "/v1/traces" {
		c.tb.Errorf("%s: %v", r.URL.Path, err)
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, res := range q.GetResourceSpans() {
		for _, scope := range res.GetScopeSpans() {
			c.scope = scope.GetScope().GetName() + " " + scope.GetSchemaUrl()
			for _, s := range scope.GetSpans() {
				c.spans[s.GetName()] = s
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// What a collector gets from a real exporter.
func TestOTLP(t *testing.T) {
	t.Parallel()
	c := &receiver{tb: t, spans: map[string]*wire.Span{}}
	server := httptest.NewServer(c)
	defer server.Close()
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(server.URL+"/v1/traces"), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, otel.Settings{}, sdktrace.WithBatcher(exporter))
	s := r.start(t, says(plugintest.Fails(errDown)))
	if _, err := s.Chat(t.Context(), "SECRET"); err == nil {
		t.Fatal("no error")
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := otel.Scope + " https://opentelemetry.io/schemas/1.41.0"; c.scope != want {
		t.Errorf("scope %s", c.scope)
	}
	chain := []string{"session", "component Message", "sampling rejection_sampling", "chat m-1"}
	for i, name := range chain {
		span := c.spans[name]
		if span == nil {
			t.Fatalf("no span %s among %d", name, len(c.spans))
		}
		if i > 0 && hex.EncodeToString(span.GetParentSpanId()) != hex.EncodeToString(c.spans[chain[i-1]].GetSpanId()) {
			t.Errorf("%s is not below %s", name, chain[i-1])
		}
		got := map[string]string{}
		for _, a := range span.GetAttributes() {
			got[a.GetKey()] = a.GetValue().GetStringValue()
		}
		if got["gen_ai.conversation.id"] != s.ID() || i > 0 && got["error.type"] != "_OTHER" {
			t.Errorf("%s has %v", name, got)
		}
		if status := span.GetStatus(); i > 0 && (status.GetCode() != wire.Status_STATUS_CODE_ERROR || status.GetMessage() != "") {
			t.Errorf("%s has status %v", name, status)
		}
	}
	if kind := c.spans["chat m-1"].GetKind(); kind != wire.Span_SPAN_KIND_CLIENT {
		t.Errorf("kind %v", kind)
	}
}
