package openai_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/maillon-go/maillon/contrib/openai"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// standIn is a server that is compatible enough for the examples.
func standIn() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"model":"tide-1","choices":[{"message":{"content":"High water is at 06:40."},"finish_reason":"stop",
			"logprobs":{"content":[{"token":"High","logprob":-0.25}]}}],"usage":{"prompt_tokens":9,"completion_tokens":8}}`)
	}))
}

// Without WithBaseURL the server is OpenAI's.
func ExampleNew() {
	server := standIn()
	defer server.Close()

	ctx := context.Background()
	b, err := openai.New(openai.WithBaseURL(server.URL+"/v1"), openai.WithModel("tide-1"), openai.WithKey("sk-..."))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = b.Close() }()
	s, err := session.Start(ctx, session.WithBackend(b))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	res, err := s.Instruct(ctx, "When is high water?")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Text(), res.Usage.Total())
	// Output:
	// High water is at 06:40. 17
}

func ExampleLogProbs() {
	server := standIn()
	defer server.Close()
	b, err := openai.New(openai.WithBaseURL(server.URL+"/v1"), openai.WithModel("tide-1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = b.Close() }()
	g, err := b.Generate(context.Background(), stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
		Messages:     stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "When is high water?"}),
		ModelOptions: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"logprobs": true})},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := openai.LogProbs(g.Output().Raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tokens[0].Token, tokens[0].LogProb)
	// Output:
	// High -0.25
}
