package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/contrib/openai"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// adapters is a server with the endpoints of vLLM.
type adapters struct {
	mu     sync.Mutex
	loaded map[string]string
}

func (a *adapters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var asked map[string]any
	_ = json.NewDecoder(r.Body).Decode(&asked)
	name, _ := asked["lora_name"].(string)
	path, _ := asked["lora_path"].(string)
	_, there := a.loaded[name]
	switch {
	case r.Header.Get("Authorization") != "Bearer sk-secret" || r.Header.Get("X-Team") != "harbour":
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/v1/load_lora_adapter" && !there:
		a.loaded[name] = path
		fmt.Fprintf(w, "Success: LoRA adapter '%s' added successfully.", name)
	case r.URL.Path == "/v1/unload_lora_adapter" && there && len(asked) == 1:
		delete(a.loaded, name)
		fmt.Fprintf(w, "Success: LoRA adapter '%s' removed successfully.", name)
	case r.URL.Path == "/v1/unload_lora_adapter":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"message":"The lora adapter cannot be found.","type":"NotFoundError","code":404}}`)
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"object":"error","message":"The lora adapter has already been loaded.","type":"InvalidUserInput","code":400}`)
	}
}

func TestAdapters(t *testing.T) {
	t.Parallel()
	a := &adapters{loaded: map[string]string{}}
	b := backend(t, serve(t, a.ServeHTTP), openai.WithHeader("X-Team", "harbour"),
		openai.WithCapabilities(stages.Capabilities{Streaming: true, Adapters: true}))
	settings := stages.MapOf(map[string]any{"lora_path": "/adapters/tides"})
	wantKind := func(what string, err error, kind session.BackendErrorKind, says string) {
		t.Helper()
		var e *session.BackendError
		if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want kind %s and %q in it", what, err, kind, says)
		}
	}
	if err := b.LoadAdapter(t.Context(), "tides", settings); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"tides": "/adapters/tides"}; !reflect.DeepEqual(a.loaded, want) {
		t.Errorf("loaded %v", a.loaded)
	}
	wantKind("twice", b.LoadAdapter(t.Context(), "tides", settings), session.BackendInvalidRequest, "already been loaded")
	if err := b.UnloadAdapter(t.Context(), "tides"); err != nil || len(a.loaded) != 0 {
		t.Errorf("got %v, loaded %v", err, a.loaded)
	}
	wantKind("gone", b.UnloadAdapter(t.Context(), "tides"), session.BackendInvalidRequest, "cannot be found")
	wantKind("without a path", b.LoadAdapter(t.Context(), "tides", stages.Map[any]{}), session.BackendInvalidRequest, "lora_path")
	wantKind("with two names", b.LoadAdapter(t.Context(), "tides", settings.With("lora_name", "x")), session.BackendInvalidRequest, "lora_name")
	wantKind("a setting without a JSON form", b.LoadAdapter(t.Context(), "tides", settings.With("f", func() {})), session.BackendInvalidRequest, "settings")
	wantKind("not a server for it", backend(t, "http://127.0.0.1:1").LoadAdapter(t.Context(), "tides", settings), session.BackendInvalidRequest, "tides")
	stranger := backend(t, serve(t, a.ServeHTTP), openai.WithKey("other"), openai.WithCapabilities(stages.Capabilities{Adapters: true}))
	wantKind("another key", stranger.UnloadAdapter(t.Context(), "tides"), session.BackendAuth, "")
}

func TestAdapterCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	b := backend(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
		close(ended)
	}), openai.WithCapabilities(stages.Capabilities{Adapters: true}))
	if err := b.UnloadAdapter(ctx, "tides"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-ended
}
