package main

import (
	"context"
	"errors"
	"strings"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

const (
	name   = "Captain Maru"
	noName = "[the captain]"
	secret = "spare key"
)

// nothing registers no link.
func nothing(*stages.Pipeline) error { return nil }

// redact takes a name out. It holds back as much as it has to see at once: the longer of the name and what is put in its place.
func redact(p *stages.Pipeline) error {
	_, err := p.Chunk.Use(chain.Before("redact", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		return c.WithText(strings.ReplaceAll(c.Text(), name, noName)), nil
	}, stages.HoldBack(len(noName))))
	return err
}

// refuse ends the answer where it comes to a secret, of which not even the beginning is released.
func refuse(p *stages.Pipeline) error {
	_, err := p.Chunk.Use(chain.Before("secrets", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		if strings.Contains(c.Text(), secret) {
			return nil, chain.Block("not for everybody", chain.Code("secret"))
		}
		return c, nil
	}, stages.HoldBack(len(secret))))
	return err
}

// polite is an After hook of the generation: it judges the whole answer, and nothing is released before it has. The audit
// beside it says that it neither stops nor rewrites anything, and does not make anybody wait.
func polite(p *stages.Pipeline) error {
	_, err := p.Generation.Use(
		chain.After("polite", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if !strings.HasSuffix(g.Output().Text, "!") {
				return nil, errors.New("a greeting ends with an exclamation mark")
			}
			return g.WithText("Ahoy! " + g.Output().Text), nil
		}),
		chain.After("audit", stages.Unchanged[*stages.Generation], stages.AcceptsChunks()),
	)
	return err
}
