package readme

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What the code blocks of docs/streams.md stand in.

func TestStreams(t *testing.T) {
	ctx, p := t.Context(), pipeline(t)
	redact := func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		return c.WithText(strings.ReplaceAll(c.Text(), "classified", "[-]")), nil
	}
	_, err := p.Chunk.Use(chain.Before("redact", redact, stages.HoldBack(len("classified"))))
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.Start(ctx, session.WithPipeline(p), session.WithBackend(session.BackendFunc(
		func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "A classified quay. And a crane."}}), nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(ctx) }()
	res, err := readStream(ctx, s)
	if err != nil || res.Text() != "A [-] quay. And a crane." {
		t.Errorf("got %v, %v", res, err)
	}
}

func readStream(ctx context.Context, s *session.Session) (*session.Result, error) {
	stream := s.Stream(ctx, "Describe the harbour.", session.Chunked(session.ChunkSentences))
	for text, err := range stream.Text() {
		if err != nil {
			return nil, err
		}
		fmt.Print(text)
	}
	res, err := stream.Result() // as Instruct would return it
	return res, err
}
