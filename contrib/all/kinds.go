package all

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/contrib/budget/tiktoken"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/contrib/policy"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/stages"
)

// Options are what kinds need that a file cannot say. The zero value is useful.
type Options struct {
	// Redact takes out of a text what must not be written, wherever a file asks for contents: in audit records, traces and
	// spans. Nil is that of pii.Default.
	Redact func(string) string
	// Logger hears of audit sinks that fail. Nil is the logger of each request.
	Logger *zap.Logger
	// BudgetStore keeps the books of all plugins of the kind token_budget: limits of the same name and window are then one limit,
	// also in several files and pipelines, and last as long as the store. Nil is a memory for each plugin, which a reload that
	// changes its settings keeps; with a store reservation_ttl and max_keys have no effect.
	BudgetStore budget.Store
	// TracerProvider and MeterProvider are for otel. Nil is that of the process.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
}

// Kinds are all kinds.
func Kinds(o Options) *config.Kinds {
	k := config.NewKinds()
	Register(k, o)
	return k
}

// Register adds all kinds to those of a program. As with config.Register it is a mistake of the program, and panics, if one of
// the names is taken.
func Register(k *config.Kinds, o Options) {
	if o.Redact == nil {
		o.Redact = pii.Default().Redact
	}
	config.Register(k, "content_policy", func(s policy.Settings) (any, error) { return policy.New(s) })
	config.Register(k, "pii", func(s pii.Settings) (any, error) { return pii.New(s) })
	config.Register(k, "rate_limit", func(s ratelimit.Settings) (any, error) { return ratelimit.New(s) })
	config.Register(k, "token_budget", func(s Budget) (any, error) {
		s.Store = o.BudgetStore
		return buildBudget(s)
	})
	config.Register(k, "response_cache", func(s cache.Settings) (any, error) { return cache.New(s) })
	config.Register(k, "audit_log", func(s Audit) (any, error) {
		if s.Contents == audit.ContentsRedacted {
			s.Redact = o.Redact
		}
		s.Logger = o.Logger
		return buildAudit(s)
	})
	config.Register(k, "slot_profiler", func(s profiler.Settings) (any, error) { return profiler.New(s) })
	config.Register(k, "debug", func(s Debug) (any, error) {
		if s.Contents {
			s.Redact = o.Redact
		}
		return debug.New(s.Settings)
	})
	config.Register(k, "otel", func(s otel.Settings) (any, error) {
		s.Redact, s.TracerProvider, s.MeterProvider = o.Redact, o.TracerProvider, o.MeterProvider
		return otel.New(s)
	})
	config.Register(k, "retry", buildRetry)
	config.Register(k, "timeout", buildTimeout)
}

// Debug is debug.Settings for files.
type Debug struct {
	debug.Settings `yaml:",inline"`
	// Contents shows texts, redacted.
	Contents bool `yaml:"contents"`
}

// Budget is budget.Settings for files.
type Budget struct {
	budget.Settings `yaml:",inline"`
	// Tokenizer estimates what a call will take: heuristic, the default, or tiktoken, which is exact for OpenAI's models and slower.
	Tokenizer string `yaml:"tokenizer"`
}

func buildBudget(s Budget) (any, error) {
	switch s.Tokenizer {
	case "", "heuristic":
	case "tiktoken":
		s.Estimator = tiktoken.Estimator{}
	default:
		return nil, fmt.Errorf("budget: tokenizer is %q: use heuristic or tiktoken", s.Tokenizer)
	}
	return budget.New(s.Settings)
}

// Retry makes middleware.Retry a link around the generation stage.
type Retry struct {
	Attempts    int           `yaml:"attempts"`     // in all; required
	Base        time.Duration `yaml:"base"`         // the first wait, 500ms unless given
	MaxInterval time.Duration `yaml:"max_interval"` // of the waits, a minute unless given
	MaxElapsed  time.Duration `yaml:"max_elapsed"`  // of all attempts; no limit unless given
}

func buildRetry(s Retry) (any, error) {
	if s.Attempts < 1 || s.Base < 0 || s.MaxInterval < 0 || s.MaxElapsed < 0 {
		return nil, errors.New("retry: attempts must be at least 1, and no time negative")
	}
	var opts []middleware.RetryOption
	if s.Base > 0 {
		opts = append(opts, middleware.RetryBase(s.Base))
	}
	if s.MaxInterval > 0 {
		opts = append(opts, middleware.RetryMaxInterval(s.MaxInterval))
	}
	if s.MaxElapsed > 0 {
		opts = append(opts, middleware.RetryMaxElapsed(s.MaxElapsed))
	}
	return around("retry", middleware.Retry(s.Attempts, opts...)), nil
}

// Timeout makes middleware.Timeout a link around the generation stage: with a retry it is one for each attempt.
type Timeout struct {
	After time.Duration `yaml:"after"` // required
}

func buildTimeout(s Timeout) (any, error) {
	if s.After <= 0 {
		return nil, errors.New("timeout: after must be a time, such as 30s")
	}
	return around("timeout", middleware.Timeout(s.After), chain.Priority(60)), nil
}

func around(name string, i chain.Interceptor, opts ...chain.Option) any {
	return stages.At("generation", chain.Intercept[*stages.Generation](name, i, opts...))
}
