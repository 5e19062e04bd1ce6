package all_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/DeRuina/timberjack"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/all"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/contrib/budget/tiktoken"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/contrib/httpx"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/contrib/policy"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What the code blocks of docs/plugins stand in. Each block is found here, line by line, and so compiles. None of it runs.
var _ = []any{
	snippetAll, snippetAudit, snippetAuditWriter, snippetAuditStrict, snippetBudget, snippetCache, snippetDebug, snippetHTTP, snippetOtel,
	snippetPolicy, snippetProfiler, snippetProfilerOfFile, snippetRateLimit, snippetKinds,
}

func redact(text string) string { return text }

func snippetAll(ctx context.Context, p *stages.Pipeline) (*config.Config, error) {
	c, err := config.Open(ctx, "maillon.yaml", config.Options{Pipeline: p, Kinds: all.Kinds(all.Options{})})
	return c, err
}

func snippetAudit(ctx context.Context, backend session.Backend) error {
	plugin, err := audit.New(audit.Settings{Path: "/var/log/app/audit.jsonl", Redact: redact})
	if err != nil {
		return err
	}
	s, err := session.Start(ctx, session.WithBackend(backend), session.WithPlugins(plugin))
	_ = s
	return err
}

func snippetAuditWriter() (any, error) {
	w := &timberjack.Logger{Filename: "audit.jsonl", RotateAt: []string{"00:00"}, Compression: "gzip", MaxBackups: 30}
	defer w.Close() //nolint:errcheck // a snippet
	plugin, err := audit.New(audit.Settings{Sink: audit.ToWriter(w)})
	return plugin, err
}

func snippetAuditStrict(p *stages.Pipeline, plugin *audit.Plugin) {
	p.Generation.Use(chain.Before("audited", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) { //nolint:errcheck // a snippet
		if err := plugin.Stats().Err; err != nil {
			return nil, chain.Block("the audit is not written", chain.Code("no_audit"))
		}
		return g, nil
	}))
}

func snippetBudget(kinds *config.Kinds) {
	store := budget.NewMemory(budget.MemoryConfig{})
	config.Register(kinds, "token_budget", func(s budget.Settings) (any, error) {
		s.Store = store // one for all plugins, files and pipelines of the program
		s.Estimator = tiktoken.Estimator{}
		return budget.New(s)
	})
}

func snippetCache(ctx context.Context, b session.Backend) error {
	answers, err := cache.New(cache.Settings{TTL: time.Hour})
	if err != nil {
		return err
	}
	s, err := session.Start(ctx, session.WithBackend(b), session.WithUser("u-17"), session.WithPlugins(answers))
	_ = s
	return err
}

func snippetDebug(ctx context.Context) error {
	p, err := debug.New(debug.Settings{Redact: redact})
	if err != nil {
		return err
	}
	_, err = stages.Default.Register(ctx, p)
	return err
}

func snippetHTTP(mux http.Handler, inbound *chain.Chain[*httpx.Exchange]) error {
	c := chain.New[*httpx.Exchange]("upstream")
	if _, err := c.Use(
		c.Intercept("timeout", middleware.Timeout(10*time.Second)),
		c.Intercept("retry", middleware.Retry(3)),
	); err != nil {
		return err
	}
	client := &http.Client{Transport: httpx.NewClient(c, httpx.Settings{}).Transport(nil)}
	handler := httpx.NewHandler(mux, inbound, httpx.Settings{BufferResponses: 1 << 20})
	_, _ = client, handler
	return nil
}

func snippetOtel(ctx context.Context, b session.Backend) error {
	p, err := otel.New(otel.Settings{})
	if err != nil {
		return err
	}
	s, err := session.Start(ctx, session.WithBackend(b), session.WithPlugins(p))
	if err != nil {
		return err
	}
	pipeline := stages.NewPipeline(stages.PipelineConfig{Tracer: p.LinkTracer()})
	_, _ = s, pipeline
	return nil
}

func snippetPolicy() (any, error) {
	plugin, err := policy.New(policy.Settings{Rules: []policy.Rule{{Name: "codenames", Terms: []string{"project osprey"}}}})
	return plugin, err
}

func snippetProfiler(ctx context.Context, w, svgFile io.Writer) error {
	p, err := profiler.New(profiler.Settings{})
	if err != nil {
		return err
	}
	if _, err := stages.Default.Register(ctx, p); err != nil { // counts and times every stage
		return err
	}
	stages.Default.WithTracer(p) // also times links, in a sample of the calls

	report := p.Snapshot()
	fmt.Print(report)                    // tables
	json.NewEncoder(w).Encode(report)    //nolint:errcheck // JSON, times in nanoseconds
	report.Sessions[0].WriteSVG(svgFile) //nolint:errcheck // an icicle chart
	p.Reset()
	return nil
}

func snippetProfilerOfFile(c *config.Config) (*profiler.Plugin, error) {
	p, err := config.Plugin[*profiler.Plugin](c, "times") // c is what config.Open returned
	return p, err
}

func snippetRateLimit(ctx context.Context, b session.Backend) error {
	limit, err := ratelimit.New(ratelimit.Settings{Requests: 60, Tokens: 100_000, MaxWait: 5 * time.Second})
	if err != nil {
		return err
	}
	s, err := session.Start(ctx, session.WithBackend(b), session.WithUser("u-17"), session.WithPlugins(limit))
	_ = s
	return err
}

func snippetKinds(kinds *config.Kinds) {
	config.Register(kinds, "response_cache", func(s cache.Settings) (any, error) { return cache.New(s) })
	config.Register(kinds, "rate_limit", func(s ratelimit.Settings) (any, error) { return ratelimit.New(s) })
	config.Register(kinds, "slot_profiler", func(s profiler.Settings) (any, error) { return profiler.New(s) })
	config.Register(kinds, "debug", func(s debug.Settings) (any, error) {
		s.Redact = redact
		return debug.New(s)
	})
	config.Register(kinds, "otel", func(s otel.Settings) (any, error) {
		s.Redact = redact // only where the file may switch contents on
		return otel.New(s)
	})
}
