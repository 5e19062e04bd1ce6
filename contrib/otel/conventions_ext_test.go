package otel_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func withBaggage(tb testing.TB) context.Context {
	tb.Helper()
	m, err := baggage.NewMember("team", "harbour")
	if err != nil {
		tb.Fatal(err)
	}
	b, err := baggage.New(m)
	if err != nil {
		tb.Fatal(err)
	}
	return baggage.ContextWithBaggage(tb.Context(), b)
}

// The metrics of a call with a tool, one that fails and one that is blocked.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(asks("tide", "{}"), answer("yes"), plugintest.Fails(&session.BackendError{Kind: session.BackendAuth})), session.WithTools(tide(atNoon)))
	if _, err := s.Chat(t.Context(), "well?"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Chat(t.Context(), "well?"); err == nil {
		t.Fatal("no error")
	}
	const base = "gen_ai.operation.name=chat,gen_ai.provider.name=harbour,gen_ai.request.model=m-1"
	want := map[string]point{
		base + ",gen_ai.response.model=m-1-2026,gen_ai.token.type=input":  {1, 11},
		base + ",gen_ai.response.model=m-1-2026,gen_ai.token.type=output": {1, 5},
		base + ",gen_ai.token.type=input":                                 {1, 7},
		base + ",gen_ai.token.type=output":                                {1, 2},
	}
	if got := r.points(t, "gen_ai.client.token.usage"); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	counts := map[string]uint64{}
	for k, p := range r.points(t, "gen_ai.client.operation.duration") {
		counts[k] = p.count
		if p.sum < 0 || p.sum > 60 {
			t.Errorf("%s took %v s", k, p.sum)
		}
	}
	wantCounts := map[string]uint64{
		base: 1, base + ",gen_ai.response.model=m-1-2026": 1, "error.type=auth," + base: 1, "gen_ai.operation.name=execute_tool,gen_ai.tool.name=tide,gen_ai.tool.type=function": 1,
	}
	if !maps.Equal(counts, wantCounts) {
		t.Errorf("got %v, want %v", counts, wantCounts)
	}
	if got := r.points(t, "gen_ai.client.operation.time_to_first_chunk"); len(got) != 0 {
		t.Errorf("first chunks %v", got)
	}
}

// The older version has its own names, and the schema says which.
func TestOlderConventions(t *testing.T) {
	t.Parallel()
	for version, want := range map[otel.SemConv]map[string]string{
		"":               {"gen_ai.provider.name": "x_ai", "gen_ai.system": "-", "gen_ai.request.stream": "true", "gen_ai.usage.cache_read.input_tokens": "3"},
		otel.SemConv1_36: {"gen_ai.provider.name": "-", "gen_ai.system": "xai", "gen_ai.request.stream": "-", "gen_ai.response.time_to_first_chunk": "-", "gen_ai.usage.cache_read.input_tokens": "-", "gen_ai.usage.input_tokens": "11"},
	} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, otel.Settings{SemConv: version})
			b := says(answer("one two"))
			b.Is.Provider = "api.x.ai"
			for _, err := range r.start(t, b).Stream(t.Context(), "well?").Text() {
				if err != nil {
					t.Fatal(err)
				}
			}
			chat := r.span(t, "chat m-1")
			has(t, chat, want)
			if version == "" {
				version = otel.Pinned
			}
			if got := chat.InstrumentationScope(); got.Name != otel.Scope || !strings.HasSuffix(got.SchemaURL, "/"+string(version)) {
				t.Errorf("scope %+v", got)
			}
			firsts := len(r.points(t, "gen_ai.client.operation.time_to_first_chunk"))
			if (firsts == 0) != (version == otel.SemConv1_36) {
				t.Errorf("%d points of time to first chunk", firsts)
			}
			for k := range r.points(t, "gen_ai.client.token.usage") {
				if strings.Contains(k, "gen_ai.system=xai") != (version == otel.SemConv1_36) {
					t.Errorf("attributes %s", k)
				}
			}
		})
	}
}

// Backends say which host they ask; the conventions have names.
func TestProviders(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string]string{
		"api.openai.com": "openai", "harbour.openai.azure.com": "azure.ai.openai", "bedrock-runtime.eu-west-1.amazonaws.com": "aws.bedrock",
		"s3.amazonaws.com": "test", "us-central1-aiplatform.googleapis.com": "gcp.vertex_ai", "127.0.0.1": "test", "::1": "test", "localhost": "test",
		"llm.harbour.example": "test", "local": "local", "": "test", "gateway.example": "mistral_ai",
	} {
		r := newRig(t, otel.Settings{Providers: map[string]string{"gateway.example": "mistral_ai"}})
		b := says(answer("yes"))
		b.Is.Provider = provider
		if _, err := r.start(t, b).Chat(t.Context(), "well?"); err != nil {
			t.Fatal(err)
		}
		has(t, r.span(t, "chat m-1"), map[string]string{"gen_ai.provider.name": want})
	}
}

// What a format asks for is told, not what it is.
func TestOutputType(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	slot := session.NewSlot[string, struct {
		SECRET string `json:"SECRET"`
	}]("report", "SECRET")
	if _, err := slot.Call(t.Context(), r.start(t, says(answer(`{"SECRET":"x"}`))), "SECRET"); err != nil {
		t.Fatal(err)
	}
	has(t, r.span(t, "chat m-1"), map[string]string{"gen_ai.output.type": "json", "maillon.component.kind": stages.KindGenerativeSlot})
	noSecret(t, r)
}
