package openai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/httpx"
	"github.com/maillon-go/maillon/contrib/openai"
	"github.com/maillon-go/maillon/middleware"
)

// A client of the SDK whose requests go through a chain: answers, streams and errors are those of the SDK, and what a link
// blocks is not sent.
func TestThrough(t *testing.T) {
	requests := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		body, _ := io.ReadAll(r.Body)
		switch {
		case !strings.Contains(string(body), "tide") || r.Header.Get("X-Link") != "yes":
			t.Errorf("request %d: %s %v", requests, body, r.Header)
		case requests%3 != 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.Contains(string(body), `"stream":true`):
			events(w, `{"choices":[{"delta":{"content":"at "}}]}`, `{"choices":[{"delta":{"content":"noon"}}]}`, "[DONE]")
		default:
			reply(w, yes)
		}
	})
	c := chain.New[*httpx.Exchange]("openai")
	_, err := c.Use(
		c.Intercept("retry", middleware.Retry(3, middleware.RetryBase(time.Nanosecond))),
		chain.Before("header", func(_ context.Context, e *httpx.Exchange) (*httpx.Exchange, error) {
			r := e.Request().Clone(e.Request().Context())
			r.Header.Set("X-Link", "yes")
			return e.WithRequest(r), nil
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	client := sdk.NewClient(option.WithBaseURL(url), option.WithAPIKey("k"), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: transport}), openai.Through(c, httpx.Settings{}))
	params := sdk.ChatCompletionNewParams{Model: "m", Messages: []sdk.ChatCompletionMessageParamUnion{sdk.UserMessage("When is the tide?")}}

	res, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil || res.Choices[0].Message.Content != "Yes." || requests != 3 {
		t.Errorf("%v after %d requests", err, requests)
	}
	text := ""
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Delta.Content
		}
	}
	if err := stream.Err(); err != nil || text != "at noon" || requests != 6 {
		t.Errorf("%q, %v after %d requests", text, err, requests)
	}
	_ = stream.Close()

	if _, err := c.Use(chain.Before("block", func(context.Context, *httpx.Exchange) (*httpx.Exchange, error) { return nil, chain.Block("no") })); err != nil {
		t.Fatal(err)
	}
	_, err = client.Chat.Completions.New(t.Context(), params)
	if v, ok := errors.AsType[*chain.Violation](err); !ok || requests != 6 {
		t.Errorf("blocked: %v, %v after %d requests", v, err, requests)
	}
}

// What the links could not mend is an error of the SDK.
func TestThroughFailure(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error":{"message":"slow down","code":"busy"}}`)
	})
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	c := chain.New[*httpx.Exchange]("openai")
	client := sdk.NewClient(option.WithBaseURL(url), option.WithAPIKey("k"), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: transport}), openai.Through(c, httpx.Settings{}))
	_, err := client.Chat.Completions.New(t.Context(), sdk.ChatCompletionNewParams{Model: "m"})
	if e, ok := errors.AsType[*sdk.Error](err); !ok || e.StatusCode != http.StatusTooManyRequests || e.Code != "busy" {
		t.Errorf("got %v", err)
	}
}
