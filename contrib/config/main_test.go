package config_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tagSettings are those of the kind "tag".
type tagSettings struct {
	Text  string
	Block bool
	Times int
	Key   config.Secret
}

// tag is a plugin that puts a text before the answer, or blocks.
type tag struct {
	tagSettings
	inits, closes, calls atomic.Int64
}

func (g *tag) OnGenerationPreCall(_ context.Context, p *stages.Generation) (*stages.Generation, error) {
	g.calls.Add(1)
	if g.Block {
		return nil, chain.Block("blocked by "+g.Text, chain.Code("tag"))
	}
	return p, nil
}

func (g *tag) OnGenerationPostCall(_ context.Context, p *stages.Generation) (*stages.Generation, error) {
	return p.WithText(g.Text + p.Output().Text), nil
}

func (g *tag) Init(context.Context) error  { g.inits.Add(1); return nil }
func (g *tag) Close(context.Context) error { g.closes.Add(1); return nil }

var (
	_ stages.OnGenerationPreCall  = (*tag)(nil)
	_ stages.OnGenerationPostCall = (*tag)(nil)
)

// env is a pipeline with a file.
type env struct {
	t     *testing.T
	path  string
	p     *stages.Pipeline
	kinds *config.Kinds
	made  []*tag
	log   *observer.ObservedLogs
	opts  config.Options
}

func newEnv(t *testing.T) *env {
	t.Helper()
	core, log := observer.New(zap.DebugLevel)
	e := &env{t: t, path: filepath.Join(t.TempDir(), "maillon.yaml"), p: stages.NewPipeline(stages.PipelineConfig{}), kinds: config.NewKinds(), log: log}
	t.Cleanup(func() { _ = e.p.Close(context.WithoutCancel(t.Context())) })
	config.Register(e.kinds, "tag", func(s tagSettings) (any, error) {
		g := &tag{tagSettings: s}
		e.made = append(e.made, g)
		return g, nil
	})
	e.opts = config.Options{Pipeline: e.p, Kinds: e.kinds, Logger: zap.New(core)}
	return e
}

func (e *env) write(text string) {
	e.t.Helper()
	if err := os.WriteFile(e.path, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) open(text string) *config.Config {
	e.t.Helper()
	e.write(text)
	c, err := config.Open(e.t.Context(), e.path, e.opts)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close(context.WithoutCancel(e.t.Context())) })
	return c
}

// call generates "x" and gives the text that comes out.
func (e *env) call(m stages.Meta) (string, error) {
	h := e.p.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "x"}}), nil
	})
	g, err := h(e.t.Context(), stages.NewGeneration(m, stages.GenerationFields{Backend: stages.Backend{Name: "b", Model: "gpt-4", Provider: "p/q"}}))
	if err != nil {
		return "", err
	}
	return g.Output().Text, nil
}
