// Package openai is a backend for OpenAI's chat completions and for every server that is compatible with them, on OpenAI's
// own SDK.
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//		"os"
//
//		"github.com/maillon-go/maillon/contrib/openai"
//		"github.com/maillon-go/maillon/session"
//	)
//
//	func main() {
//		ctx := context.Background()
//		b, err := openai.New(openai.WithModel("gpt-4.1-mini"), openai.WithKey(os.Getenv("OPENAI_API_KEY")))
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
// Temperature, TopP, Seed and Stop go out as temperature, top_p, seed and stop. MaxTokens goes to OpenAI as
// max_completion_tokens, on which its newer models insist, and to any other server as max_tokens, which all of them know.
// What is in Extra is sent by its own name, such as logprobs, top_logprobs, tool_choice or max_completion_tokens, and the
// server says if it does not know it. Keys that the backend itself has to set, such as model, messages, stream or n, are
// refused by name.
//
// A format becomes a response_format of the type json_schema, strict where the schema is one that OpenAI accepts as strict:
// each object lists all its properties as required and allows no others.
//
// # Answers
//
// Raw is the chat completion as JSON, log-probabilities and all: of a stream it is put together from the chunks. LogProbs
// reads them.
//
// # Errors, retries, timeouts
//
// Errors are *session.BackendError. Nothing is tried a second time and nothing times out, but by middleware:
//
//	p := s.Pipeline().Generation
//	_, err = p.Use(p.Intercept("timeout", middleware.Timeout(time.Minute)), p.Intercept("retry", middleware.Retry(3)))
//
// The environment is not read: a key goes nowhere that it was not given for.
package openai
