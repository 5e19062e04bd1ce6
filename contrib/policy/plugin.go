package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"unicode/utf8"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Priority is that of the plugin's hooks: behind redactors, in front of what counts and caches.
const Priority = 20

// Plugin judges contents. Make one with New. Safe for concurrent use.
type Plugin struct {
	settings Settings
	scanner  *scanner
	seed     maphash.Seed
	// clean are hashes of inputs that were found clean before, so that a conversation is not judged again with each turn.
	clean [4096]atomic.Uint64
}

var (
	_ stages.OnComponentPreExecute   = (*Plugin)(nil)
	_ stages.OnGenerationPreCall     = (*Plugin)(nil)
	_ stages.OnGenerationStreamChunk = (*Plugin)(nil)
	_ stages.OnToolPreInvoke         = (*Plugin)(nil)
	_ stages.OnToolPostInvoke        = (*Plugin)(nil)
)

// New makes a plugin. The error says all that is wrong with the settings.
func New(s Settings) (*Plugin, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	var rules []*rule
	var errs []error
	terms := 0
	for _, r := range s.Rules {
		c, err := compile(r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		terms += len(c.Terms) + len(c.Allow)
		rules = append(rules, c)
	}
	if terms > MaxTerms {
		errs = append(errs, fmt.Errorf("policy: there are %d terms, more than %d", terms, MaxTerms))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Plugin{settings: s, scanner: newScanner(rules, s.Injection != Off), seed: maphash.MakeSeed()}, nil
}

// Name is content_policy.
func (p *Plugin) Name() string { return "content_policy" }

// HookOptions puts the hooks in their place.
func (p *Plugin) HookOptions(hook string) []chain.Option {
	out := []chain.Option{chain.Priority(Priority)}
	if hook == "generation_stream_chunk" {
		out = append(out, stages.HoldBack(p.scanner.holdBack()))
	}
	return out
}

// Check judges a text as the plugin's hooks would: the error is nil or a block. The kind is that of a component, or empty.
func (p *Plugin) Check(text string, at Place, kind string) error {
	f, found := p.scanner.scan(text, 0, at, kind)
	if !found {
		return nil
	}
	return p.block(f, text, at, nil)
}

func (p *Plugin) block(f finding, text string, at Place, more map[string]any) error {
	details := map[string]any{"rule": f.rule, "at": string(at), "start": f.start, "end": f.end}
	if p.settings.Echo {
		details["text"] = text[f.start:f.end]
	}
	for k, v := range more {
		details[k] = v
	}
	return chain.Block(fmt.Sprintf("the content policy forbids what is in the %s (rule %s)", at, f.rule),
		chain.Code(f.code), chain.InSeverity(f.severity), chain.Details(details))
}

// OnComponentPreExecute refuses kinds of component.
func (p *Plugin) OnComponentPreExecute(_ context.Context, c *stages.Component) (*stages.Component, error) {
	s := &p.settings
	if len(s.AllowKinds) > 0 && !slices.Contains(s.AllowKinds, c.Kind()) || slices.Contains(s.DenyKinds, c.Kind()) {
		return nil, chain.Block(fmt.Sprintf("the content policy does not allow components of the kind %s", c.Kind()),
			chain.Code(CodeKind), chain.Details(map[string]any{"kind": c.Kind()}))
	}
	return c, nil
}

// OnGenerationPreCall judges what comes from users and tools. System messages are the program's own, and an assistant's were
// judged when they came.
func (p *Plugin) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	kind := g.Meta().ComponentKind
	for i, m := range g.Messages().All() {
		if m.Role == stages.RoleSystem || m.Role == stages.RoleAssistant || m.Text == "" {
			continue
		}
		at := Input
		if m.Role == stages.RoleTool {
			at = ToolOutput
		}
		key := p.key(m.Text, at, kind)
		if slot := &p.clean[key%uint64(len(p.clean))]; slot.Load() != key {
			f, found := p.scanner.scan(m.Text, 0, at, kind)
			if found {
				return nil, p.block(f, m.Text, at, map[string]any{"message": i})
			}
			slot.Store(key)
		}
	}
	return g, nil
}

// key is a hash of what a verdict depends on; an outsider cannot make two texts share one.
func (p *Plugin) key(text string, at Place, kind string) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	_, _ = h.WriteString(string(at))
	_ = h.WriteByte(0)
	_, _ = h.WriteString(kind)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(text)
	return h.Sum64()
}

// OnGenerationStreamChunk judges an answer, piece by piece where it is streamed, and as a whole when it is complete.
func (p *Plugin) OnGenerationStreamChunk(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
	text, skip := c.Text(), 0
	if c.Final() {
		text = c.Released() + text // what was stretched beyond the window, too
	} else {
		before := tail(c.Released(), p.scanner.context)
		text, skip = before+text, len(before)
	}
	f, found := p.scanner.scan(text, skip, Output, c.Meta().ComponentKind)
	if !found || !c.Final() && utf8.RuneCountInString(text[f.end:]) <= f.open {
		return c, nil // more text may make something else of it, and it is held back
	}
	return nil, p.block(f, text, Output, nil)
}

// tail is the last n runes of a text.
func tail(s string, n int) string {
	i := len(s)
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return s[i:]
}

// OnToolPreInvoke judges the arguments of a tool.
func (p *Plugin) OnToolPreInvoke(_ context.Context, t *stages.Tool) (*stages.Tool, error) {
	for _, text := range texts(t.Arguments()) {
		if f, found := p.scanner.scan(text, 0, ToolInput, t.Meta().ComponentKind); found {
			return nil, p.block(f, text, ToolInput, map[string]any{"tool": t.Name()})
		}
	}
	return t, nil
}

// OnToolPostInvoke judges what a tool answers.
func (p *Plugin) OnToolPostInvoke(_ context.Context, t *stages.Tool) (*stages.Tool, error) {
	if f, found := p.scanner.scan(t.Output(), 0, ToolOutput, t.Meta().ComponentKind); found {
		return nil, p.block(f, t.Output(), ToolOutput, map[string]any{"tool": t.Name()})
	}
	return t, nil
}

// texts are the texts in a JSON document, keys too, without the escapes that could hide what they say; a document that is
// none is one text itself.
func texts(j stages.JSON) (out []string) {
	var v any
	if json.Unmarshal([]byte(j), &v) != nil {
		return []string{string(j)}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				out = append(out, k)
				walk(e)
			}
		}
	}
	walk(v)
	return out
}
