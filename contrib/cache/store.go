package cache

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Store keeps answers. Keys are printable and say nothing of what was asked. An error, and a panic, is a miss: the call goes
// on without the cache. A Store bounds the time that it takes itself, and is called concurrently.
type Store interface {
	Get(ctx context.Context, key string) (e Entry, found bool, err error)
	Put(ctx context.Context, key string, e Entry, ttl time.Duration) error
	Delete(ctx context.Context, key string) error
}

// Entry is an answer as it is kept: what the links of the chunk stage have left of it. It has neither the question nor the
// backend's raw response.
type Entry struct {
	Text         string              `json:"text"`
	FinishReason stages.FinishReason `json:"finish_reason,omitempty"`
	Model        string              `json:"model,omitempty"`
	Chunks       int                 `json:"chunks,omitempty"` // that it came in
	Tokens       int                 `json:"tokens,omitempty"` // that it took, input and output
}

// entryOf is what is kept of an answer, and whether it may be.
func entryOf(g *stages.Generation) (e Entry, ok bool) {
	out := g.Output()
	switch {
	case !g.HasResult(), g.Source() != stages.SourceBackend, out.ToolCalls.Len() > 0, blank(out.Text),
		out.FinishReason != stages.FinishStop && out.FinishReason != "":
		return e, false
	}
	return Entry{out.Text, out.FinishReason, out.Model, g.Chunks(), out.Usage.Total()}, true
}

// result is an answer that nothing was spent on.
func (e Entry) result(latency time.Duration) stages.GenerationResult {
	return stages.GenerationResult{
		Output: stages.Output{Text: e.Text, FinishReason: e.FinishReason, Model: e.Model},
		Chunks: e.Chunks, Latency: latency, Source: stages.SourceCache,
	}
}

func (p *Plugin) get(ctx context.Context, key string) (e Entry, found bool) {
	p.stored(ctx, func() (err error) {
		e, found, err = p.store.Get(ctx, key)
		return err
	})
	return e, found
}

func (p *Plugin) put(ctx context.Context, key string, e Entry) {
	if p.stored(ctx, func() error { return p.store.Put(ctx, key, e, p.set.TTL) }) {
		p.n.stores.Add(1)
	}
}

func (p *Plugin) drop(ctx context.Context, key string) {
	if p.stored(ctx, func() error { return p.store.Delete(ctx, key) }) {
		p.n.dropped.Add(1)
	}
}

// stored uses the store. What goes wrong there is counted and logged, and concerns no call.
func (p *Plugin) stored(ctx context.Context, use func() error) (ok bool) {
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic of type %T", v)
			}
		}()
		return use()
	}()
	if err != nil {
		p.n.failures.Add(1)
		stages.From(ctx).Logger().Warn("response cache: the store failed", zap.String("error", chain.DescribeError(err)))
	}
	return err == nil
}
