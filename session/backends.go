package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/internal/errlog"
	"github.com/maillon-go/maillon/stages"
)

// Backends make backends by name, so that session_pre_init can choose one. Safe for concurrent use.
type Backends struct {
	mu   sync.RWMutex
	make map[string]BackendFactory
}

// BackendFactory makes a backend. ctx bounds the making alone; the settings are the backend's own.
type BackendFactory func(ctx context.Context, settings stages.Map[any]) (Backend, error)

// NewBackends are none yet.
func NewBackends() *Backends { return &Backends{make: map[string]BackendFactory{}} }

// Add makes a backend known. The error is that of an empty name, of one that is taken, or of a nil function.
func (b *Backends) Add(name string, f BackendFactory) error {
	if name == "" || f == nil {
		return fmt.Errorf("%w: backend %q: a backend needs a name and a function", ErrOption, name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.make[name] != nil {
		return fmt.Errorf("%w: there is a backend %q already", ErrOption, name)
	}
	b.make[name] = f
	return nil
}

// Names are those of all backends, sorted.
func (b *Backends) Names() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Sorted(maps.Keys(b.make))
}

// ErrUnknownBackend means a name that Backends do not know.
var ErrUnknownBackend = errors.New("session: unknown backend")

// open makes a backend.
func (b *Backends) open(ctx context.Context, name string, settings stages.Map[any]) (Backend, error) {
	if b == nil || name == "" {
		return nil, fmt.Errorf("%w, or name one with WithBackendName or at session_pre_init", ErrNoBackend)
	}
	b.mu.RLock()
	f := b.make[name]
	b.mu.RUnlock()
	if f == nil {
		return nil, fmt.Errorf("%w %q: %s", ErrUnknownBackend, name, nearest(name, b.Names()))
	}
	made, err := f(ctx, settings)
	switch {
	case err != nil:
		return nil, fmt.Errorf("session: opening the backend %q: %w", name, err)
	case nilBackend(made):
		return nil, fmt.Errorf("session: opening the backend %q: %w", name, ErrNoBackend)
	}
	return made, nil
}

// WithBackends lets the session open its backend by name: the one of WithBackendName, or what session_pre_init puts in its
// place. The session closes a backend that it has opened, as it does with one that it was given.
func WithBackends(b *Backends) Option { return set(func(c *config) { c.backends = b }) }

// WithBackendName sets which of the backends of WithBackends answers, and what it is opened with. Of WithBackend and
// WithBackendName the last one holds.
func WithBackendName(name string, settings stages.Map[any]) Option {
	return set(func(c *config) { c.choose(nil, name, settings) })
}

// choose sets what answers, in the place of what a fork has inherited with its model.
func (c *config) choose(b Backend, name string, settings stages.Map[any]) {
	if c.inherited != nil {
		c.inherited, c.model = nil, ""
	}
	c.backend, c.backendName, c.backendSettings = b, name, settings
}

func nilBackend(b Backend) bool {
	f, ok := b.(BackendFunc)
	return b == nil || ok && f == nil
}

// opened is a backend that one session or several use, a session and its forks. The last one closes it.
type opened struct {
	Backend
	name     string // that it is registered by; "" for one given as a value
	settings stages.Map[any]
	users    atomic.Int32
}

func newOpened(b Backend, name string, settings stages.Map[any]) *opened {
	o := &opened{Backend: b, name: name, settings: settings}
	o.users.Store(1)
	return o
}

// release closes the backend if nobody else uses it.
func (o *opened) release() error {
	if o == nil || o.users.Add(-1) != 0 {
		return nil
	}
	if c, ok := o.Backend.(io.Closer); ok {
		return contain(c.Close)
	}
	return nil
}

// is says that it is what is asked for by name.
func (o *opened) is(name string, settings stages.Map[any]) bool {
	return o.name == name && reflect.DeepEqual(o.settings.Clone(), settings.Clone())
}

// helper is a backend that a strategy has named: the session's own, or one that the session opens once and closes at its
// end.
func (s *Session) helper(ctx context.Context, name string) (Backend, error) {
	if s.apart {
		return nil, fmt.Errorf("%w: without a session no backend is opened by name: give one as a value", ErrOption)
	}
	s.mu.Lock()
	own, there := s.using, s.helpers[name]
	s.mu.Unlock()
	switch {
	case s.cfg.backends == nil || name == "":
		return nil, fmt.Errorf("%w %q: register it with WithBackends", ErrUnknownBackend, name)
	case own != nil && own.is(name, stages.Map[any]{}):
		return own.Backend, nil
	case there != nil:
		return there.Backend, nil
	}
	made, err := s.cfg.backends.open(ctx, name, stages.Map[any]{})
	if err != nil {
		return nil, err
	}
	mine := newOpened(made, name, stages.Map[any]{})
	s.mu.Lock()
	there = s.helpers[name]
	switch { // meanwhile
	case s.over:
		err = ErrClosed
	case there == nil:
		if s.helpers == nil {
			s.helpers = map[string]*opened{}
		}
		s.helpers[name] = mine
	}
	s.mu.Unlock()
	if err == nil && there == nil {
		return made, nil
	}
	if closeErr := mine.release(); closeErr != nil {
		s.cfg.logger.Warn("closing a backend that is not used", errlog.Field(closeErr, false), zap.String("session", s.id))
	}
	if err != nil {
		return nil, err
	}
	return there.Backend, nil
}

// helping are the backends that strategies have named, in the order of the names.
func (s *Session) helping() (all []*opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.helpers)) {
		all = append(all, s.helpers[name])
	}
	return all
}

// describe says what it is.
func (o *opened) describe(model string) stages.Backend {
	d := stages.Backend{Name: o.name}
	if d.Name == "" {
		d.Name = reflect.TypeOf(o.Backend).String()
	}
	if x, ok := o.Backend.(Describer); ok {
		d = x.Describe()
	}
	if model != "" {
		d.Model = model
	}
	return d
}

// nearest is a hint at what may have been meant.
func nearest(written string, names []string) string {
	best, distance := "", max(2, len(written)/2)+1
	for _, n := range names {
		if d := edits(strings.ToLower(written), strings.ToLower(n)); d < distance {
			best, distance = n, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(names) == 0:
		return "none is registered"
	}
	return "there is: " + strings.Join(names, ", ")
}

// edits is how many bytes must be added, taken away or replaced to turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
