package readme

import (
	"context"
	"errors"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What the code blocks of docs/first-plugin.md stand in.

func noSecrets(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	for _, m := range g.Messages().All() {
		if strings.Contains(m.Text, "password") {
			return nil, chain.Block("there is a password in the prompt", chain.Code("secret"))
		}
	}
	return g, nil
}

type Secrets struct {
	Words []string
	found atomic.Int64 // calls run at the same time
}

var (
	_ stages.OnGenerationPreCall  = (*Secrets)(nil)
	_ stages.OnGenerationPostCall = (*Secrets)(nil)
)

func (s *Secrets) Name() string { return "secrets" }

func (s *Secrets) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	for _, m := range g.Messages().All() {
		for _, w := range s.Words {
			if strings.Contains(m.Text, w) {
				s.found.Add(1)
				return nil, chain.Block("there is a secret in the prompt", chain.Code("secret"))
			}
		}
	}
	return g, nil
}

func (s *Secrets) OnGenerationPostCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	text := g.Output().Text
	for _, w := range s.Words {
		text = strings.ReplaceAll(text, w, "***")
	}
	return g.WithText(text), nil
}

func prompt(text string) *stages.Generation {
	return stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: text}),
	})
}

func TestSecretsBlocks(t *testing.T) {
	s := &Secrets{Words: []string{"password"}}
	if _, err := s.OnGenerationPreCall(t.Context(), prompt("when is high water?")); err != nil {
		t.Error(err)
	}
	_, err := s.OnGenerationPreCall(t.Context(), prompt("the password is tide"))
	var v *chain.Violation
	if !errors.As(err, &v) || v.Code != "secret" {
		t.Errorf("got %v, want a block", err)
	}
}

func TestSecretsRedacts(t *testing.T) {
	s := &Secrets{Words: []string{"tide"}}
	g := prompt("").Done(stages.GenerationResult{Output: stages.Output{Text: "say tide"}})
	if g, err := s.OnGenerationPostCall(t.Context(), g); err != nil || g.Output().Text != "say ***" {
		t.Errorf("got %v, %v", g, err)
	}
}

func TestSecretsBehaves(t *testing.T) {
	s := &Secrets{Words: []string{"password"}}
	chaintest.Run(t, chain.Before("secrets", s.OnGenerationPreCall),
		chaintest.Payload(func() *stages.Generation { return prompt("when is high water?") }))
}

func pipeline(t *testing.T) *stages.Pipeline {
	t.Helper()
	p := stages.NewPipeline(stages.PipelineConfig{})
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// answer calls the generation stage of a pipeline around a model that repeats the prompt.
func answer(ctx context.Context, p *stages.Pipeline, text string) (string, error) {
	g, err := stages.Bind(p, p.Generation, repeat)(ctx, prompt(text))
	if err != nil {
		return "", err
	}
	return g.Output().Text, nil
}

func repeat(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g.Done(stages.GenerationResult{Output: stages.Output{Text: g.Messages().At(g.Messages().Len() - 1).Text}}), nil
}

func blocked(t *testing.T, err error, by string) {
	t.Helper()
	var v *chain.Violation
	if !errors.As(err, &v) || v.Link != by {
		t.Errorf("got %v, want a block by %s", err, by)
	}
}

func TestRegisterAFunction(t *testing.T) {
	p := pipeline(t)
	_, err := p.Generation.Use(chain.Before("secrets", noSecrets))
	if err != nil {
		t.Fatal(err)
	}
	_, err = answer(t.Context(), p, "password")
	blocked(t, err, "secrets")
	if _, err := answer(t.Context(), p, "high water"); err != nil {
		t.Error(err)
	}
}

func TestRegisterWithOptions(t *testing.T) {
	ctx, p := t.Context(), pipeline(t)
	_, err := p.Register(ctx,
		stages.With(&Secrets{Words: []string{"password"}},
			chain.Priority(10),          // lower runs first; 50 otherwise
			chain.OnFailure(chain.Fail), // a panic or an error fails the call; Ignore goes on without the plugin
		).Hook("generation_post_call",
			chain.InMode(chain.Transform), // may rewrite, not block; Sequential, which may both, otherwise
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range p.Generation.Explain().Links {
		if l.Priority != 10 || l.OnFailure != chain.Fail || (l.Mode == chain.Transform) != (l.Name == "secrets.generation_post_call") {
			t.Errorf("%+v", l)
		}
	}
}

func TestScopes(t *testing.T) {
	ctx, backend := t.Context(), session.BackendFunc(repeat)
	// Every session of the process, those that run already too:
	registration, err := stages.Default.Register(ctx, &Secrets{Words: []string{"password"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := registration.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	// One session:
	s, err := session.Start(ctx, session.WithBackend(backend),
		session.WithPlugins(&Secrets{Words: []string{"tide"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	ask := func(ctx context.Context, text string) error {
		_, err := s.Instruct(ctx, text)
		return err
	}
	blocked(t, ask(ctx, "password"), "secrets.generation_pre_call")
	blocked(t, ask(ctx, "tide"), "secrets.generation_pre_call")
	if _, err := answer(ctx, stages.Default, "tide"); err != nil {
		t.Error(err)
	}
	outside := ctx
	{
		// The calls that are made with this context, until release:
		ctx, release, err := stages.WithPlugins(ctx, stages.With(&Secrets{Words: []string{"draft"}}).Named("drafts"))
		if err != nil {
			t.Fatal(err)
		}
		blocked(t, ask(ctx, "draft"), "drafts.generation_pre_call")
		if err := ask(outside, "draft"); err != nil {
			t.Error(err)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
		if err := ask(ctx, "draft"); err != nil {
			t.Error(err)
		}
	}
}

// The file of the page says audit first.
func TestConfigureAndRollOut(t *testing.T) {
	page := read(t, filepath.Join(root, "docs", "first-plugin.md"))
	yaml := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	if len(yaml) != 1 {
		t.Fatalf("found %d files in docs/first-plugin.md", len(yaml))
	}
	ctx, p, path := t.Context(), pipeline(t), filepath.Join(t.TempDir(), "maillon.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(yaml[0][1])
	kinds := config.NewKinds()
	config.Register(kinds, "secrets", func(s struct{ Words []string }) (any, error) {
		return &Secrets{Words: s.Words}, nil
	})
	file, err := config.Open(ctx, path, config.Options{Pipeline: p, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := answer(ctx, p, "password"); err != nil || text != "password" {
		t.Errorf("in audit mode: %q, %v", text, err)
	}
	l, _ := p.Generation.Stats().Link("secrets.generation_pre_call")
	log.Printf("would have blocked %d calls, would have rewritten %d, failed %d times", l.WouldBlocks, l.WouldRewrites, l.Failures)
	if l.WouldBlocks != 1 || len(p.Generation.Stats().Cases["process/secrets.generation_pre_call"]) != 1 {
		t.Errorf("%+v", p.Generation.Stats())
	}
	write(strings.Replace(yaml[0][1], "audit", "sequential", 1))
	if err := file.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = answer(ctx, p, "password")
	blocked(t, err, "secrets.generation_pre_call")
	if l, _ := p.Generation.Stats().Link("secrets.generation_pre_call"); l.WouldBlocks != 1 || l.Blocks != 1 {
		t.Errorf("the counts did not stay: %+v", l)
	}
	if err := file.Close(ctx); err != nil {
		t.Error(err)
	}
}
