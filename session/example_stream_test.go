package session_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// tides is a backend that streams.
type tides struct{}

func (tides) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return tides{}.GenerateStream(ctx, g, func(string) error { return nil })
}

func (tides) GenerateStream(_ context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	pieces := []string{"High water is at 06", ":40. ", "The password is ti", "de. Ask ", "the harbour master."}
	for _, p := range pieces {
		if err := emit(p); err != nil {
			return nil, err
		}
	}
	return g.Done(stages.GenerationResult{Output: stages.Output{Text: strings.Join(pieces, "")}}), nil
}

// The answer is read sentence by sentence. The link sees each word whole, also where the backend's pieces cut it.
func ExampleSession_Stream() {
	ctx := context.Background()
	s, err := session.Start(ctx, session.WithBackend(tides{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	redact := func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		return c.WithText(strings.ReplaceAll(c.Text(), "password is tide", "password is [...]")), nil
	}
	if _, err := s.Pipeline().Chunk.Use(chain.Before("redact", redact, stages.HoldBack(17))); err != nil {
		fmt.Println(err)
		return
	}
	stream := s.Stream(ctx, "Say when high water is.", session.Chunked(session.ChunkSentences))
	for text, err := range stream.Text() {
		fmt.Printf("%q %v\n", text, err)
	}
	res, err := stream.Result()
	fmt.Println(res, err)
	// Output:
	// "High wa" <nil>
	// "ter is at 06:40. The pa" <nil>
	// "ssword is [...]. Ask the harbour master." <nil>
	// High water is at 06:40. The password is [...]. Ask the harbour master. <nil>
}

// A conversation whose answers are read while they are made; without a session the result has the history to go on with.
func ExampleOn_streamed() {
	ctx := context.Background()
	on := session.On(tides{}, stages.History{})
	stream := on.StreamChat(ctx, "When is high water?", session.Chunked(session.ChunkSentences))
	for text, err := range stream.Text() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%q\n", text)
		if strings.HasPrefix(text, "The password") {
			break // the backend is cancelled, and nothing is part of the history
		}
	}
	_, err := stream.Result()
	fmt.Println(err)

	stream = session.StreamAct(ctx, tides{}, stages.History{}, session.Reply("When is high water?"), session.Chunked(session.ChunkParagraphs))
	for text, err := range stream.Text() {
		fmt.Printf("%q %v\n", text, err)
	}
	res, err := stream.Result()
	fmt.Println(res.History.Len(), err)
	// Output:
	// "High water is at 06:40. "
	// "The password is tide. "
	// session: the stream was closed by its reader
	// "High water is at 06:40. The password is tide. Ask the harbour master." <nil>
	// 2 <nil>
}
