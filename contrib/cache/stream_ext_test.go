package cache_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
)

// A stream that is not in the cache comes piece by piece, one that is comes in chunks too.
func TestStream(t *testing.T) {
	t.Parallel()
	p, got := newCache(t, cache.Settings{}), make(chan string)
	b := &plugintest.Model{Before: func(_ context.Context, piece int) error {
		if piece > 0 { // the reader has the one before
			<-got
		}
		return nil
	}}
	var chunks []string
	st := start(t, b, session.WithPlugins(p)).Stream(t.Context(), "When is high water?")
	for chunk, err := range st.Text() {
		if err != nil {
			t.Fatal(err)
		}
		if chunks = append(chunks, chunk); len(chunks) < 4 {
			go func() { got <- chunk }()
		}
	}
	want := []string{"high ", "water ", "at ", "noon"}
	if !slices.Equal(chunks, want) {
		t.Errorf("the miss came as %q", chunks)
	}
	again, err := streams(t, b, session.WithPlugins(p))
	if err != nil || !slices.Equal(again, want) {
		t.Errorf("the hit came as %q, %v", again, err)
	}
	wantCalls(t, b, 1)
}

// One answer serves both ways to ask.
func TestStreamAndUnary(t *testing.T) {
	t.Parallel()
	for _, streamFirst := range []bool{true, false} {
		b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
		unary := func() string {
			res, err := start(t, b, session.WithPlugins(p)).Instruct(t.Context(), "When is high water?")
			if err != nil {
				t.Fatal(err)
			}
			return res.Text()
		}
		stream := func() string {
			chunks, err := streams(t, b, session.WithPlugins(p))
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(chunks, "")
		}
		ways := []func() string{unary, stream}
		if streamFirst {
			slices.Reverse(ways)
		}
		if x, y := ways[0](), ways[1](); x != y || x != "high water at noon" {
			t.Errorf("%q and %q", x, y)
		}
		wantCalls(t, b, 1)
	}
}

// What is kept of a stream is what the chunk stage let out, and a hit goes through the chunk stage again.
func TestStreamRedacted(t *testing.T) {
	t.Parallel()
	store := &spy{}
	b, p := &plugintest.Model{}, newCache(t, cache.Settings{Store: store, Secret: []byte("0123456789abcdef")})
	for range 2 {
		chunks, err := streams(t, b, session.WithPlugins(p), redact("noon"))
		if text := strings.Join(chunks, ""); err != nil || text != "high water at ***" {
			t.Errorf("got %q, %v", text, err)
		}
	}
	wantCalls(t, b, 1)
	store.without(t, "noon")
	chunks, err := streams(t, b, session.WithPlugins(p), redact("water"))
	if text := strings.Join(chunks, ""); err != nil || text != "high *** at ***" {
		t.Errorf("got %q, %v", text, err)
	}
}

// A stream that is left is not kept, and whoever waited for it asks.
func TestStreamLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
		leader, follower := start(t, b, session.WithPlugins(p)), start(t, b, session.WithPlugins(p))
		done := make(chan error, 1)
		for _, err := range leader.Stream(t.Context(), "When?").Text() {
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				res, err := follower.Instruct(t.Context(), "When?")
				if err == nil && res.Text() != "high water at noon" {
					t.Errorf("got %q", res.Text())
				}
				done <- err
			}()
			synctest.Wait()
			wantCalls(t, b, 1)
			break
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		wantCalls(t, b, 2)
		if s := p.Stats(); s.Stores != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Explain's view: the cache makes no stream wait.
func TestStreamIsNotBuffered(t *testing.T) {
	t.Parallel()
	plugintest.Unbuffered(t, newCache(t, cache.Settings{}))
}
