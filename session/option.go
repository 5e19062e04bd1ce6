package session

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/stages"
)

// DefaultGenerationLog is how many of the last generations a session remembers for session_cleanup.
const DefaultGenerationLog = 64

// Option sets something about a session. A nil Option is skipped.
type Option interface{ apply(*config) error }

type option func(*config) error

func (f option) apply(c *config) error { return f(c) }

func set(f func(*config)) Option {
	return option(func(c *config) error {
		f(c)
		return nil
	})
}

type config struct {
	backend         Backend // as it was given
	backends        *Backends
	backendName     string
	backendSettings stages.Map[any]
	inherited       *opened // by a fork, in the place of a backend
	parent          context.Context

	pipeline *stages.Pipeline
	setup    []func(context.Context, *stages.Pipeline) error
	logger   *zap.Logger

	user     string
	labels   stages.Map[string]
	metadata stages.Map[any]

	model       string
	options     stages.ModelOptions
	history     stages.History
	historyKind stages.HistoryKind
	tools       []stages.Callable
	toolLimit   int
	pruners     []Pruner
	logSize     int
}

func configure(opts []Option) (config, error) {
	c := config{historyKind: stages.HistoryChat, logSize: DefaultGenerationLog, toolLimit: DefaultToolConcurrency}
	return c, c.add(opts)
}

// add puts options on top.
func (c *config) add(opts []Option) error {
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.apply(c); err != nil {
			return err
		}
	}
	switch {
	case c.inherited != nil || !nilBackend(c.backend) || c.backend == nil && c.backends != nil:
	case c.backendName != "":
		return fmt.Errorf("%w: WithBackendName(%q) is without WithBackends", ErrNoBackend, c.backendName)
	default:
		return ErrNoBackend
	}
	if c.pipeline == nil {
		c.pipeline = stages.Default
	}
	if c.logger == nil {
		c.logger = zap.NewNop()
	}
	return nil
}

// WithBackend sets what answers; every session needs one, or the name of one: see WithBackends. The session closes it when
// it is closed, if it is an io.Closer. To share a backend among sessions, pass session.BackendFunc(b.Generate) and close it yourself.
func WithBackend(b Backend) Option {
	return set(func(c *config) { c.choose(b, "", stages.Map[any]{}) })
}

// WithPipeline sets the pipeline whose links the session runs beside its own. Without it that is stages.Default.
func WithPipeline(p *stages.Pipeline) Option { return set(func(c *config) { c.pipeline = p }) }

// WithSetup registers links that only this session runs. It is called before the session starts, so that they see its
// session_pre_init; an error fails the start.
func WithSetup(f func(p *stages.Pipeline) error) Option {
	return set(func(c *config) {
		if f != nil {
			c.setup = append(c.setup, func(_ context.Context, p *stages.Pipeline) error { return f(p) })
		}
	})
}

// WithPlugins registers plugins that only this session runs; see stages.Pipeline.Register. They see its session_pre_init,
// and are closed with it where nothing else uses them. An error fails the start.
func WithPlugins(plugins ...any) Option {
	return set(func(c *config) {
		c.setup = append(c.setup, func(ctx context.Context, p *stages.Pipeline) error {
			_, err := p.Register(ctx, plugins...)
			return err
		})
	})
}

// WithLogger sets the log of the session and of hooks that ask for one. Nil, the default, logs nothing.
func WithLogger(l *zap.Logger) Option { return set(func(c *config) { c.logger = l }) }

// WithUser says for whom the session works.
func WithUser(id string) Option { return set(func(c *config) { c.user = id }) }

// WithLabel puts a label on the session, which every payload carries.
func WithLabel(key, value string) Option {
	return set(func(c *config) { c.labels = c.labels.With(key, value) })
}

// WithMetadata adds a value of the user's own, which every payload carries.
func WithMetadata(key string, value any) Option {
	return set(func(c *config) { c.metadata = c.metadata.With(key, value) })
}

// WithModel asks the backend for a model by its own name for it. Without it the backend chooses.
func WithModel(id string) Option { return set(func(c *config) { c.model = id }) }

// WithModelOptions sets what every generation of the session starts from.
func WithModelOptions(o stages.ModelOptions) Option {
	return set(func(c *config) { c.options = c.options.Merge(o) })
}

// WithHistory lets the session go on from an earlier conversation.
func WithHistory(h stages.History) Option { return set(func(c *config) { c.history = h }) }

// WithHistoryKind says what the model sees of the conversation, by default all of it. The session keeps the whole
// conversation in any case, unless WithPruning says otherwise.
func WithHistoryKind(k stages.HistoryKind) Option {
	return option(func(c *config) error {
		if k != stages.HistoryChat && k != stages.HistorySingle {
			return fmt.Errorf("%w: history kind %q", ErrOption, k)
		}
		c.historyKind = k
		return nil
	})
}

// WithTools gives the model tools that it may ask for in every call of the session.
func WithTools(tools ...stages.Callable) Option {
	return option(func(c *config) error {
		var err error
		c.tools, err = mergeTools(c.tools, tools)
		return err
	})
}

// WithGenerationLog sets how many of the last generations the session remembers for session_cleanup. Each holds its
// messages, so that a long log of a long conversation takes memory, and the answer as the links of the generation stage left
// it: none where one of them blocked or failed, nor of a try that the links did without. Zero keeps none.
func WithGenerationLog(n int) Option { return set(func(c *config) { c.logSize = max(n, 0) }) }

// mergeTools adds tools to those that are there; one of the same name replaces the other.
func mergeTools(have, more []stages.Callable) ([]stages.Callable, error) {
	out := append([]stages.Callable(nil), have...)
next:
	for _, t := range more {
		if t.Name == "" || t.Call == nil {
			return nil, fmt.Errorf("%w: tool %q: a tool needs a name and a function", ErrOption, t.Name)
		}
		if t.Parameters != "" {
			if _, err := compileSchema(t.Parameters); err != nil {
				return nil, fmt.Errorf("%w: tool %q: %w", ErrOption, t.Name, err)
			}
		}
		for i := range out {
			if out[i].Name == t.Name {
				out[i] = t
				continue next
			}
		}
		out = append(out, t)
	}
	return out, nil
}
