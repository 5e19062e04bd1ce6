package cache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// spy is a Store elsewhere: all that reaches it is JSON.
type spy struct {
	mu   sync.Mutex
	data map[string][]byte
	all  []string // keys and values that it was given
	fail func(op string) error
}

func (s *spy) do(op string, f func() error) error {
	if s.fail != nil {
		if err := s.fail(op); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return f()
}

func (s *spy) Get(_ context.Context, key string) (e cache.Entry, found bool, err error) {
	err = s.do("get", func() error {
		s.all = append(s.all, key)
		b, ok := s.data[key]
		if !ok {
			return nil
		}
		found = true
		return json.Unmarshal(b, &e)
	})
	return e, found, err
}

func (s *spy) Put(_ context.Context, key string, e cache.Entry, _ time.Duration) error {
	return s.do("put", func() error {
		b, err := json.Marshal(e)
		if s.data == nil {
			s.data = map[string][]byte{}
		}
		s.data[key] = b
		s.all = append(s.all, key, string(b))
		return err
	})
}

func (s *spy) Delete(_ context.Context, key string) error {
	return s.do("delete", func() error {
		delete(s.data, key)
		return nil
	})
}

func (s *spy) without(tb testing.TB, secret string) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		tb.Error("the store was not used")
	}
	for _, x := range s.all {
		if strings.Contains(x, secret) {
			tb.Errorf("the store got %q", x)
		}
	}
}

// Nothing of the question reaches the store, in no form that another one could try out.
func TestNothingOfTheQuestion(t *testing.T) {
	t.Parallel()
	a, b := &spy{}, &spy{}
	for s, secret := range map[*spy]string{a: "0123456789abcdef", b: "another secret of a process"} {
		p := newCache(t, cache.Settings{Store: s, Secret: []byte(secret)})
		if _, err := start(t, &plugintest.Model{}, session.WithPlugins(p)).Chat(t.Context(), "Is the code 4711?"); err != nil {
			t.Fatal(err)
		}
		s.without(t, "4711")
		s.without(t, "tide-1\x00")
	}
	for key := range a.data {
		if _, same := b.data[key]; same {
			t.Error("keys do not depend on the secret")
		}
	}
}

// A store that fails is a cache that is empty.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(string) error{
		"error": func(string) error { return errBackend },
		"panic": func(string) error { panic("broken") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := &plugintest.Model{}, newCache(t, cache.Settings{Store: &spy{fail: fail}, Secret: []byte("0123456789abcdef")})
			for range 10 {
				if _, err := asks(t, b, session.WithPlugins(p)); err != nil {
					t.Fatal(err)
				}
			}
			wantCalls(t, b, 10)
			if s := p.Stats(); s.Failures < 20 || s.Hits != 0 || s.Stores != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newCache(t, cache.Settings{TTL: time.Minute})
		calls := 0
		ask := direct(t, p, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			calls++
			return noon(g), nil
		})
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {59 * time.Second, 2}} {
			time.Sleep(step.wait)
			if _, err := ask(t.Context(), question("u")); err != nil || calls != step.want {
				t.Errorf("after %v: %d calls, want %d; %v", step.wait, calls, step.want, err)
			}
		}
	})
}

// The answers never take more room than they may.
func TestBytes(t *testing.T) {
	t.Parallel()
	const room = 20_000
	p := newCache(t, cache.Settings{MaxBytes: room})
	ask := direct(t, p, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{
			Output: stages.Output{Text: strings.Repeat("x", 1000), FinishReason: stages.FinishStop}, Source: stages.SourceBackend,
		}), nil
	})
	for i := range 200 {
		if _, err := ask(t.Context(), question(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Bytes > room {
			t.Fatalf("%d bytes after %d answers", s.Bytes, i+1)
		}
	}
	if s := p.Stats(); s.Evictions < 150 || s.Bytes < room/2 {
		t.Errorf("stats %+v", s)
	}
}

// With another adapter it is another model.
func TestAdapters(t *testing.T) {
	t.Parallel()
	b, p := &adapted{}, newCache(t, cache.Settings{})
	ask := func(want int64) {
		t.Helper()
		if _, err := asks(t, b, session.WithPlugins(p)); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, &b.Model, want)
	}
	ask(1)
	ask(1)
	s := start(t, b, session.WithPlugins(p))
	if err := s.LoadAdapter(t.Context(), "pirate", stages.Map[any]{}); err != nil {
		t.Fatal(err)
	}
	ask(2)
	if err := s.UnloadAdapter(t.Context(), "pirate"); err != nil {
		t.Fatal(err)
	}
	ask(3)
	ask(3)
}

type adapted struct{ plugintest.Model }

func (b *adapted) Describe() stages.Backend {
	d := b.Model.Describe()
	d.Capabilities.Adapters = true
	return d
}

func (*adapted) LoadAdapter(context.Context, string, stages.Map[any]) error { return nil }
func (*adapted) UnloadAdapter(context.Context, string) error                { return nil }

var _ session.AdapterLoader = (*adapted)(nil)

// Who looked too early looks again before asking: another call may have ended in between.
func TestLooksAgain(t *testing.T) {
	t.Parallel()
	store := &spy{}
	p := newCache(t, cache.Settings{Store: store, Secret: []byte("0123456789abcdef")})
	calls := 0
	ask := direct(t, p, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		calls++
		return noon(g), nil
	})
	first := true
	store.fail = func(string) error {
		if !first {
			return nil
		}
		first = false // another call begins and ends between the first look and what follows it
		_, _ = ask(t.Context(), question("u"))
		return errBackend
	}
	out, err := ask(t.Context(), question("u"))
	if err != nil || calls != 1 || out.Source() != stages.SourceCache {
		t.Errorf("%d calls, %v", calls, err)
	}
}
