// Package ollama is a backend for Ollama's own API, /api/chat.
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/maillon-go/maillon/contrib/ollama"
//		"github.com/maillon-go/maillon/session"
//	)
//
//	func main() {
//		ctx := context.Background()
//		b, err := ollama.New(ollama.WithModel("llama3.2"))
//		if err != nil {
//			log.Fatal(err)
//		}
//		s, err := session.Start(ctx, session.WithBackend(b))
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer s.Close(ctx)
//		res, err := s.Instruct(ctx, "Write a note about tonight's tide.")
//		if err != nil {
//			log.Fatal(err)
//		}
//		fmt.Println(res.Text())
//	}
//
// # Options
//
// Temperature, TopP, MaxTokens, Seed and Stop go out as the options temperature, top_p, num_predict, seed and stop. Of Extra,
// keep_alive and think are sent as fields of the request and all else as an option of the model, such as num_ctx or top_k;
// Ollama ignores options that it does not know and says so in its own log only, so that a key that is none of those
// documented is refused by name.
//
// A format becomes the schema that the answer is constrained to. Images have to come as bytes: Ollama fetches no URLs.
// Tool calls have no ids of Ollama's; where it gives none, they get call-1, call-2 and so on.
//
// # Errors, retries, timeouts
//
// Errors are *session.BackendError. Nothing is tried a second time and nothing times out: that is up to middleware. The
// environment is not read.
package ollama
