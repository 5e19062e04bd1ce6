package ollama_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/maillon-go/maillon/contrib/ollama"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The server here is a stand-in for the one on port 11434.
func ExampleNew() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"model":"llama3.2","message":{"content":"High water is at 06:40."},"done":true,"prompt_eval_count":9,"eval_count":8}`)
	}))
	defer server.Close()

	ctx := context.Background()
	b, err := ollama.New(ollama.WithModel("llama3.2"), ollama.WithBaseURL(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = b.Close() }()
	s, err := session.Start(ctx, session.WithBackend(b), session.WithModelOptions(stages.ModelOptions{
		Temperature: stages.Some(0.2), Extra: stages.MapOf(map[string]any{"num_ctx": 8192}),
	}))
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
