package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// ErrNoAdapters means that the session's backend is no AdapterLoader.
var ErrNoAdapters = errors.New("session: the backend cannot load adapters")

// LoadAdapter lets the backend load an adapter, such as a LoRA, for all who use that backend. It fires adapter_pre_load and
// adapter_post_load; where a link blocks before, the backend is not asked. Where one blocks after, the adapter is loaded all
// the same, and the error says so to the caller. ErrNoAdapters names the backend.
func (s *Session) LoadAdapter(ctx context.Context, name string, settings stages.Map[any]) error {
	return s.adapter(ctx, "load", stages.AdapterFields{Name: name, Settings: settings})
}

// UnloadAdapter lets the backend forget an adapter; see LoadAdapter. It fires adapter_pre_unload and adapter_post_unload.
func (s *Session) UnloadAdapter(ctx context.Context, name string) error {
	return s.adapter(ctx, "unload", stages.AdapterFields{Name: name})
}

func (s *Session) adapter(ctx context.Context, what string, f stages.AdapterFields) error {
	ctx, r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.end(r)
	call := s.call.load
	if what == "unload" {
		call = s.call.unload
	}
	f.Backend = r.backend.Name
	a, err := call(ctx, stages.NewAdapter(r.meta(), f))
	if err == nil && !a.HasResult() {
		err = noResult("adapter_" + what)
	}
	if err != nil {
		s.fault(ctx, r, r.identity(), stages.FaultFields{
			Failure: failure(err, stages.FaultBackend), Where: "adapter_" + what, History: r.history,
		})
		return fmt.Errorf("session: %s adapter %q: %w", what, f.Name, err)
	}
	return nil
}

// loadAdapter is the handler of the stage of loading.
func (s *Session) loadAdapter(ctx context.Context, a *stages.Adapter) (*stages.Adapter, error) {
	return s.withLoader(a, func(l AdapterLoader) error { return l.LoadAdapter(ctx, a.Name(), a.Settings()) })
}

// unloadAdapter is the handler of the stage of unloading.
func (s *Session) unloadAdapter(ctx context.Context, a *stages.Adapter) (*stages.Adapter, error) {
	return s.withLoader(a, func(l AdapterLoader) error { return l.UnloadAdapter(ctx, a.Name()) })
}

func (s *Session) withLoader(a *stages.Adapter, f func(AdapterLoader) error) (*stages.Adapter, error) {
	l, ok := s.instance().(AdapterLoader)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoAdapters, a.Backend())
	}
	begun := time.Now()
	if err := s.contain(func() error { return f(l) }); err != nil {
		return nil, err
	}
	return a.Done(stages.AdapterResult{Duration: time.Since(begun)}), nil
}
