package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/internal/errlog"
	"github.com/maillon-go/maillon/stages"
)

// Session is a conversation with a backend, every stage of which runs through the chain of its Pipeline. Safe for
// concurrent use: calls that overlap all see the history as it was when they began, and each adds its turn when it ends.
type Session struct {
	id       string
	begun    time.Time
	cfg      config
	pipeline *stages.Pipeline
	call     handlers

	generateHere func(context.Context, []stages.Message, stages.ModelOptions) (stages.Output, error) // of hooks
	apart        bool                                                                                // there is no session: see On

	mu           sync.Mutex
	opened       bool
	using        *opened            // the backend, nil before it is opened
	backend      stages.Backend     // what it says of itself
	helpers      map[string]*opened // backends that strategies have named
	unfollow     func() bool        // the parent
	options      stages.ModelOptions
	live         map[string]*request // by id
	closing      bool                // no new calls
	over         bool                // session_cleanup is about to run: nothing is recorded any more
	closed       chan struct{}       // closed when the session is
	closeErr     error
	history      stages.History
	pruning      pruning
	conversation int // how often the history was reset
	last         answered
	hasLast      bool // there is one
	interactions int
	generations  int
	usage        stages.Usage
	log          []*exchange // of the last generations, a ring once it is full
}

// answered is an answer with what led to it.
type answered struct {
	stages.Target
	kind, name string // of its action
}

// handlers are the session's stages, each bound once to its chain and to the block scopes that calls are made in.
type handlers struct {
	session    chain.Handler[*stages.Session]
	reset      chain.Handler[*stages.Reset]
	cleanup    chain.Handler[*stages.Cleanup]
	create     chain.Handler[*stages.Create]
	component  chain.Handler[*stages.Component]
	generation chain.Handler[*stages.Generation]
	chunk      chain.Handler[*stages.Chunk]
	stream     chain.Handler[*stages.StreamEvent]
	validation chain.Handler[*stages.Validation]
	sampling   chain.Handler[*stages.Sampling]
	iteration  chain.Handler[*stages.Iteration]
	repair     chain.Handler[*stages.Repair]
	tool       chain.Handler[*stages.Tool]
	load       chain.Handler[*stages.Adapter]
	unload     chain.Handler[*stages.Adapter]
	history    chain.Handler[*stages.HistoryChange]
	fault      chain.Handler[*stages.Fault]
}

// Start begins a session: the plugins of WithPlugins and the links of WithSetup are registered, then session_pre_init and
// session_post_init fire. When a link blocks there is no session; the backend is closed only if it was session_post_init
// that blocked.
//
// ctx bounds the start, not the session. End the session with Close; Run and WithParent see to it by themselves.
func Start(ctx context.Context, opts ...Option) (*Session, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	cfg, err := configure(opts)
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg)
}

// open is Start with the options put together.
func open(ctx context.Context, cfg config) (*Session, error) {
	if cfg.parent != nil && cfg.parent.Err() != nil {
		err := fmt.Errorf("session: start: the parent has ended: %w", context.Cause(cfg.parent)) //nolint:contextcheck // the parent is another one, meant to outlive the start
		return nil, errors.Join(err, cfg.inherited.release())
	}
	p, err := cfg.pipeline.Scope()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("session: start: %w", err), cfg.inherited.release())
	}
	s := &Session{
		id: newID(), begun: time.Now(), cfg: cfg, pipeline: p, history: cfg.history,
		options: cfg.options, live: map[string]*request{}, closed: make(chan struct{}), using: cfg.inherited,
	}
	if cfg.backend != nil {
		s.using = newOpened(cfg.backend, "", stages.Map[any]{})
	}
	s.bind()
	if err := s.contain(func() error {
		s.backend = stages.Backend{Name: cfg.backendName, Model: cfg.model}
		if s.using != nil {
			s.backend = s.using.describe(cfg.model)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("session: start: describing the backend: %w", s.abandon(ctx, err))
	}
	for _, f := range cfg.setup {
		if err := s.contain(func() error { return f(ctx, p) }); err != nil {
			return nil, fmt.Errorf("session: setup: %w", s.abandon(ctx, err))
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("session: start: %w", s.abandon(ctx, err))
	}
	s.follow(cfg.parent) //nolint:contextcheck // the same
	return s, nil
}

// abandon closes the plugins of a session that does not start, and lets go of what a fork has inherited.
func (s *Session) abandon(ctx context.Context, err error) error {
	if !s.opened {
		if closeErr := s.cfg.inherited.release(); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
	}
	if closeErr := s.pipeline.Close(context.WithoutCancel(ctx)); closeErr != nil {
		return errors.Join(err, closeErr)
	}
	return err
}

func (s *Session) bind() {
	p := s.pipeline
	s.generateHere = s.generateWith(given{})
	s.call = handlers{
		session:    stages.Bind(p, p.Session, s.start),
		reset:      stages.Bind(p, p.Reset, s.mayForget),
		cleanup:    stages.Bind(p, p.Cleanup, stages.Unchanged[*stages.Cleanup]),
		create:     stages.Bind(p, p.Create, s.build),
		component:  stages.Bind(p, p.Component, s.execute),
		generation: stages.Bind(p, p.Generation, s.generate),
		chunk:      stages.Bind(p, p.Chunk, stages.Unchanged[*stages.Chunk]),
		stream:     stages.Bind(p, p.Stream, stages.Unchanged[*stages.StreamEvent]),
		validation: stages.Bind(p, p.Validation, s.check),
		sampling:   stages.Bind(p, p.Sampling, s.sample),
		iteration:  stages.Bind(p, p.Iteration, stages.Unchanged[*stages.Iteration]),
		repair:     stages.Bind(p, p.Repair, stages.Unchanged[*stages.Repair]),
		tool:       stages.Bind(p, p.Tool, s.runTool),
		load:       stages.Bind(p, p.AdapterLoad, s.loadAdapter),
		unload:     stages.Bind(p, p.AdapterUnload, s.unloadAdapter),
		history:    stages.Bind(p, p.HistoryChange, stages.Unchanged[*stages.HistoryChange]),
		fault:      stages.Bind(p, p.Fault, stages.Unchanged[*stages.Fault]),
	}
}

// open fires the hooks of the start.
func (s *Session) open(ctx context.Context) error {
	err := s.opening(ctx)
	s.mu.Lock()
	opened := s.opened
	s.mu.Unlock()
	if err != nil && opened {
		return errors.Join(err, s.shutdown(ctx, err))
	}
	return err
}

// opening is the request of the start.
func (s *Session) opening(ctx context.Context) error {
	ctx, r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.end(r)
	p, err := s.call.session(ctx, stages.NewSession(r.meta(), stages.SessionFields{
		BackendName: s.cfg.backendName, BackendSettings: s.cfg.backendSettings,
		ModelID: s.backend.Model, ModelOptions: s.options, HistoryKind: s.cfg.historyKind,
	}))
	if err != nil {
		return err
	}
	s.mu.Lock()
	opened := s.opened
	s.mu.Unlock()
	if !opened { // a link answered in the place of the handler
		if _, err := s.adopt(ctx, p); err != nil {
			return err
		}
	}
	s.prune(ctx, r)
	return nil
}

// start is the handler of the session stage.
func (s *Session) start(ctx context.Context, p *stages.Session) (*stages.Session, error) {
	b, err := s.adopt(ctx, p)
	if err != nil {
		return nil, err
	}
	return p.Done(stages.SessionResult{Backend: b, History: s.History()}), nil
}

// adopt takes over what links have chosen, and opens the backend. Where the session was given it as a value, its name and
// settings stand.
func (s *Session) adopt(ctx context.Context, p *stages.Session) (stages.Backend, error) {
	s.mu.Lock()
	b, d := s.using, s.backend
	s.mu.Unlock()
	switch name, settings := p.BackendName(), p.BackendSettings(); {
	case b == nil || b.name != "" && !b.is(name, settings):
		if err := s.contain(func() error {
			made, err := s.cfg.backends.open(ctx, name, settings)
			if err != nil {
				return err
			}
			b = newOpened(made, name, settings)
			d = b.describe(p.ModelID())
			return nil
		}); err != nil {
			return d, err
		}
	case b.name == "":
		s.discarded("backend_name", name != "")
		s.discarded("backend_settings", settings.Len() > 0)
	}
	s.mu.Lock()
	before := s.using
	s.opened, s.using, s.backend, s.options = true, b, d, p.ModelOptions()
	if before == b || p.ModelID() != "" {
		s.backend.Model = p.ModelID()
	}
	d = s.backend
	s.mu.Unlock()
	if before != b {
		if err := before.release(); err != nil { // of a link's first try, or what a fork does without
			s.cfg.logger.Warn("closing a backend that is not used", errlog.Field(err, false), zap.String("session", s.id))
		}
	}
	return d, nil
}

// discarded reports a write of session_pre_init that has no effect.
func (s *Session) discarded(field string, written bool) {
	if written {
		s.cfg.logger.Warn("session_pre_init: discarded, because the session was given its backend as a value",
			zap.String("field", field), zap.String("session", s.id))
	}
}

// instance is the backend itself.
func (s *Session) instance() Backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.using == nil { // a link of session_pre_init asks the model
		return BackendFunc(func(context.Context, *stages.Generation) (*stages.Generation, error) { return nil, ErrNoBackend })
	}
	return s.using.Backend
}

// ID is the session's id, as payloads carry it.
func (s *Session) ID() string { return s.id }

// Pipeline holds the chains of this session. Links registered here run in this session only, beside those of the
// pipeline that it was started with, from the next call on.
func (s *Session) Pipeline() *stages.Pipeline { return s.pipeline }

// Backend is what the session's backend says of itself, with the model that was chosen.
func (s *Session) Backend() stages.Backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backend
}

// History is the conversation so far.
func (s *Session) History() stages.History {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history
}

// Totals are what a session did so far.
type Totals struct {
	Interactions int          // components executed, whatever came of them
	Generations  int          // requests that reached the backend
	Usage        stages.Usage // of all generations
}

// Totals counts what the session did so far.
func (s *Session) Totals() Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Totals{Interactions: s.interactions, Generations: s.generations, Usage: s.usage}
}
