package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/maillon-go/maillon/stages"
)

// keyVersion is part of each key. It changes with what goes into a key, and with what an Entry means.
const keyVersion = "maillon/response_cache/1"

// key is what a request is kept under, and whether it may be kept at all.
func (p *Plugin) key(ctx context.Context, g *stages.Generation) (key string, ok bool) {
	switch o := g.ModelOptions(); {
	case g.Backend().Model == "": // another model may have no name either
		return "", false
	case !p.set.Sampled && sampled(o):
		return "", false
	}
	tag, tenant, ok := p.tenant(ctx, g)
	if !ok {
		return "", false
	}
	h := hmac.New(sha256.New, p.set.Secret)
	e := &encoder{to: h}
	e.text(keyVersion)
	e.byte(tag)
	e.text(tenant)
	e.text(*p.adapters.Load())
	if !e.request(g) {
		return "", false
	}
	return "v1." + hex.EncodeToString(e.sum(h)), true
}

// sampled says that somebody wants another answer each time.
func sampled(o stages.ModelOptions) bool {
	_, seeded := o.Seed.Get()
	return !seeded && o.Temperature.Or(0) > 0
}

// tenant is whom an answer may be shared with, by a tag for the kind of name that it is.
func (p *Plugin) tenant(ctx context.Context, g *stages.Generation) (tag byte, tenant string, ok bool) {
	m := g.Meta()
	label, byLabel := strings.CutPrefix(p.set.Scope, ScopeLabel)
	switch {
	case p.set.Tenant != nil:
		tenant, ok = p.set.Tenant(ctx, g)
		return 't', tenant, ok
	case byLabel:
		tenant, ok = m.Labels.Get(label)
		return 'l', tenant, ok && tenant != "" // an empty one says of nobody who it is
	case p.set.Scope == ScopeShared:
		return 'a', "", true
	case p.set.Scope == ScopeUser && m.UserID != "":
		return 'u', m.UserID, true
	}
	return 's', m.SessionID, m.SessionID != ""
}

// request writes all that decides about the answer, and says whether that was possible.
func (e *encoder) request(g *stages.Generation) bool {
	b := g.Backend()
	e.text(b.Name)
	e.text(b.Provider)
	e.text(b.Model)
	e.options(g.ModelOptions())
	list(e, g.Messages(), e.message)
	list(e, g.Tools(), func(c stages.Callable) {
		e.text(c.Name)
		e.text(c.Description)
		e.text(string(c.Parameters))
		e.bool(c.ControlFlow)
	})
	e.text(g.Format().Name)
	e.text(string(g.Format().Schema))
	return !e.opaque
}

func (e *encoder) options(o stages.ModelOptions) {
	optional(e, o.Temperature, e.float)
	optional(e, o.TopP, e.float)
	optional(e, o.MaxTokens, func(n int) { e.int(int64(n)) })
	optional(e, o.Seed, e.int)
	list(e, o.Stop, e.text)
	e.int(int64(o.Extra.Len()))
	for k, v := range o.Extra.All() {
		e.text(k)
		e.any(v)
	}
}

func (e *encoder) message(m stages.Message) {
	e.text(string(m.Role))
	e.text(m.Text)
	e.text(m.Name)
	e.text(m.ToolCallID)
	list(e, m.ToolCalls, func(c stages.ToolCall) {
		e.text(c.ID)
		e.text(c.Name)
		e.text(string(c.Arguments))
	})
	list(e, m.Images, func(i stages.Image) {
		e.text(i.URL)
		e.text(i.MediaType)
		e.text(i.Base64)
	})
}

func list[T any](e *encoder, l stages.List[T], item func(T)) {
	e.int(int64(l.Len()))
	for _, x := range l.All() {
		item(x)
	}
}

func optional[T comparable](e *encoder, o stages.Optional[T], value func(T)) {
	v, set := o.Get()
	e.bool(set)
	if set {
		value(v)
	}
}

// sum is the hash of what was written.
func (e *encoder) sum(h hash.Hash) []byte {
	e.flush()
	return h.Sum(nil)
}
