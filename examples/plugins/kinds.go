package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

var address = regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`)

// redact is a plugin that is a function: a payload in, a payload out. The payload is frozen, WithText gives a changed copy.
func redact(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g.WithText(address.ReplaceAllString(g.Output().Text, "[e-mail]")), nil
}

// topics is another one, which blocks: that is a decision, and no error of the plugin.
func topics(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	for _, m := range g.Messages().All() {
		if strings.Contains(m.Text, "dynamite") {
			return nil, chain.Block("not a topic for this office", chain.Code("topic"))
		}
	}
	return g, nil
}

// budget is a plugin that is a struct, because it keeps something between its hooks: how many tokens are left. Calls may
// run at the same time, so that is an atomic.
type budget struct{ left atomic.Int64 }

// The compiler says so if a hook is misspelled or has other arguments.
var (
	_ stages.OnGenerationPreCall  = (*budget)(nil)
	_ stages.OnGenerationPostCall = (*budget)(nil)
)

// HookOptions are what the plugin thinks best for its hooks; who registers it has the last word.
func (b *budget) HookOptions(string) []chain.Option {
	return []chain.Option{chain.Priority(90), chain.OnFailure(chain.Ignore)}
}

func (b *budget) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	if left := b.left.Load(); left <= 0 {
		return nil, chain.Block(fmt.Sprintf("%d tokens over the budget", -left), chain.Code("budget"))
	}
	return g, nil
}

func (b *budget) OnGenerationPostCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	b.left.Add(-int64(g.Output().Usage.Total()))
	return g, nil
}

// security is a group: its priority beats what its members say of themselves, so that all of it runs before other links.
func security(tokens int64) stages.Entry {
	b := &budget{}
	b.left.Store(tokens)
	return stages.Group("security", chain.Before("topics", topics), b).With(chain.Priority(10))
}

// journal is a struct that only looks: an observer sees the outcome of every call, also of those that are blocked.
type journal struct{ w io.Writer }

var _ stages.ObserveGeneration = (*journal)(nil)

func (j *journal) ObserveGeneration(_ context.Context, o chain.Outcome[*stages.Generation]) {
	who := "nobody's session"
	if user := o.Payload.Meta().UserID; user != "" {
		who = "the session of " + user
	}
	fmt.Fprintf(j.w, "journal: %s, %s\n", who, o.Verdict)
}
