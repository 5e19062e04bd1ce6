package session

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
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

	mu           sync.Mutex
	opened       bool
	backend      stages.Backend // what it says of itself
	options      stages.ModelOptions
	live         map[string]*request // by id
	closing      bool                // no new calls
	over         bool                // session_cleanup is about to run: nothing is recorded any more
	closed       chan struct{}       // closed when the session is
	closeErr     error
	history      stages.History
	conversation int       // how often the history was reset
	last         *answered // the last answer, nil without one
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
	history    chain.Handler[*stages.HistoryChange]
	fault      chain.Handler[*stages.Fault]
}

// Start begins a session: the plugins of WithPlugins and the links of WithSetup are registered, then session_pre_init and
// session_post_init fire. When a link blocks there is no session; the backend is closed only if it was session_post_init
// that blocked.
//
// ctx bounds the start, not the session. End the session with Close.
func Start(ctx context.Context, opts ...Option) (*Session, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	cfg, err := configure(opts)
	if err != nil {
		return nil, err
	}
	p, err := cfg.pipeline.Scope()
	if err != nil {
		return nil, fmt.Errorf("session: start: %w", err)
	}
	s := &Session{
		id: newID(), begun: time.Now(), cfg: cfg, pipeline: p, history: cfg.history,
		options: cfg.options, live: map[string]*request{}, closed: make(chan struct{}),
	}
	s.bind()
	if err := s.contain(func() error {
		s.backend = describe(cfg.backend, cfg.model)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("session: start: describing the backend: %w", err)
	}
	for _, f := range cfg.setup {
		if err := s.contain(func() error { return f(ctx, p) }); err != nil {
			return nil, fmt.Errorf("session: setup: %w", s.abandon(ctx, err))
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("session: start: %w", s.abandon(ctx, err))
	}
	return s, nil
}

// abandon closes the plugins of a session that does not start.
func (s *Session) abandon(ctx context.Context, err error) error {
	if closeErr := s.pipeline.Close(context.WithoutCancel(ctx)); closeErr != nil {
		return errors.Join(err, closeErr)
	}
	return err
}

func (s *Session) bind() {
	p := s.pipeline
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
		history:    stages.Bind(p, p.HistoryChange, stages.Unchanged[*stages.HistoryChange]),
		fault:      stages.Bind(p, p.Fault, stages.Unchanged[*stages.Fault]),
	}
}

// open fires the hooks of the start.
func (s *Session) open(ctx context.Context) error {
	inside, r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	p, err := s.call.session(inside, stages.NewSession(r.meta(), stages.SessionFields{
		ModelID: s.backend.Model, ModelOptions: s.options, HistoryKind: s.cfg.historyKind,
	}))
	s.end(r)
	s.mu.Lock()
	opened := s.opened
	s.mu.Unlock()
	switch {
	case err == nil && !opened: // a link answered in the place of the handler
		s.adopt(p)
	case err != nil && opened:
		return errors.Join(err, s.shutdown(ctx, err))
	}
	return err
}

// start is the handler of the session stage.
func (s *Session) start(_ context.Context, p *stages.Session) (*stages.Session, error) {
	return p.Done(stages.SessionResult{Backend: s.adopt(p), History: s.History()}), nil
}

// adopt takes over what links have chosen. The backend was given as a value, so that its name and settings stand.
func (s *Session) adopt(p *stages.Session) stages.Backend {
	for field, changed := range map[string]bool{
		"backend_name": p.BackendName() != "", "backend_settings": p.BackendSettings().Len() > 0,
	} {
		if changed {
			s.cfg.logger.Warn("session_pre_init: discarded, because the session was given its backend as a value",
				zap.String("field", field), zap.String("session", s.id))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = true
	s.backend.Model, s.options = p.ModelID(), p.ModelOptions()
	return s.backend
}

// describe says what a backend is.
func describe(b Backend, model string) stages.Backend {
	d := stages.Backend{Name: reflect.TypeOf(b).String()}
	if x, ok := b.(Describer); ok {
		d = x.Describe()
	}
	if model != "" {
		d.Model = model
	}
	return d
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
