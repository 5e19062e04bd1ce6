package cache_test

import (
	"context"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var spent = plugintest.Spent

func says(text string, why stages.FinishReason) plugintest.Turn {
	return plugintest.Answer(stages.Output{Text: text, FinishReason: why, Usage: spent})
}

func newCache(tb testing.TB, s cache.Settings) *cache.Plugin {
	tb.Helper()
	return plugintest.Make(tb, cache.New, s)
}

// start starts a session of the user "u" on a pipeline of its own. Each session begins with an empty history, so that the
// same question is the same request.
func start(tb testing.TB, b session.Backend, opts ...session.Option) *session.Session {
	tb.Helper()
	return plugintest.Start(tb, b, append([]session.Option{session.WithUser("u")}, opts...)...)
}

// asks puts the question in a session of its own.
func asks(tb testing.TB, b session.Backend, opts ...session.Option) (*session.Result, error) {
	tb.Helper()
	return start(tb, b, opts...).Chat(tb.Context(), "When is high water?")
}

// streams is asks with an answer in chunks.
func streams(tb testing.TB, b session.Backend, opts ...session.Option) (chunks []string, err error) {
	tb.Helper()
	chunks, _, err = plugintest.Read(start(tb, b, opts...).Stream(tb.Context(), "When is high water?"))
	return chunks, err
}

func wantCalls(tb testing.TB, b *plugintest.Model, want int64) {
	tb.Helper()
	if n := b.Calls(); n != want {
		tb.Errorf("the backend was asked %d times, want %d", n, want)
	}
}

// redact takes a word out of what passes the chunk stage.
func redact(word string) session.Option {
	return session.WithPlugins(chain.Before("redact", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		return c.WithText(strings.ReplaceAll(c.Text(), word, "***")), nil
	}, stages.HoldBack(len(word))))
}
