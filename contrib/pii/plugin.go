package pii

import (
	"context"
	"slices"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/internal/clean"
	"github.com/maillon-go/maillon/stages"
)

// CodeFound is the code of a block.
const CodeFound = "pii_found"

// Name is the name of the plugin, after which its links are called where the registration gives no other.
const Name = "pii"

// The hooks.
var (
	_ stages.OnComponentPreCreate    = (*Plugin)(nil)
	_ stages.OnComponentPostCreate   = (*Plugin)(nil)
	_ stages.OnComponentPreExecute   = (*Plugin)(nil)
	_ stages.OnValidationPostCheck   = (*Plugin)(nil)
	_ stages.OnSamplingRepair        = (*Plugin)(nil)
	_ stages.OnGenerationPreCall     = (*Plugin)(nil)
	_ stages.OnGenerationStreamChunk = (*Plugin)(nil)
	_ stages.OnGenerationPostCall    = (*Plugin)(nil)
	_ stages.OnToolPreInvoke         = (*Plugin)(nil)
	_ stages.OnToolPostInvoke        = (*Plugin)(nil)
)

// Plugin redacts what goes to a model and what comes back. Make one by New. Safe for concurrent use; one instance may serve
// any number of sessions.
type Plugin struct {
	scanner *Scanner
	clean   *clean.Texts
}

// New makes a Plugin. The error names all that is wrong with the settings.
func New(s Settings) (*Plugin, error) {
	c, err := NewScanner(s)
	if err != nil {
		return nil, err
	}
	return &Plugin{c, clean.New()}, nil
}

// Name is "pii".
func (p *Plugin) Name() string { return Name }

// Scanner is what the plugin looks with, for logs and the like.
func (p *Plugin) Scanner() *Scanner { return p.scanner }

// HookOptions puts the links first, has their failures fail the call whatever their mode, and refuses a cache in front of
// them.
func (p *Plugin) HookOptions(hook string) []chain.Option {
	opts := []chain.Option{chain.Priority(10), chain.OnFailure(chain.Fail)}
	switch hook {
	case "generation_pre_call":
		return append(opts, chain.RunsBefore("response_cache.wrap_generation"))
	case "generation_stream_chunk":
		return append(opts, stages.HoldBack(window))
	case "generation_post_call", "validation_post_check": // they leave text that was released alone
		return append(opts, stages.AcceptsChunks())
	}
	return opts
}

// pass is the work on one payload.
type pass struct {
	*Scanner
	clean   *clean.Texts
	vault   *Vault
	blocked map[string]int // matches to block for, by detector
	changed bool
}

func (p *Plugin) begin(ctx context.Context) *pass {
	return &pass{Scanner: p.scanner, clean: p.clean, vault: vaultOf(ctx)}
}

// text gives a text without what was found in it.
func (p *pass) text(text string) string {
	key := p.clean.Key(text)
	if p.clean.Has(key) {
		return text
	}
	found := p.find(text, 0)
	if len(found) == 0 {
		p.clean.Add(key)
		return text
	}
	p.judge(found)
	p.changed = true
	return p.replace(text, found, p.vault)
}

func (p *pass) json(text stages.JSON) stages.JSON { return stages.JSON(inJSON(string(text), p.text)) }

func (p *pass) judge(found []found) {
	for _, f := range found {
		if k := p.kinds[f.kind]; k.action == Block && !f.more {
			if p.blocked == nil {
				p.blocked = map[string]int{}
			}
			p.blocked[k.name]++
		}
	}
}

func (p *pass) message(m stages.Message) stages.Message {
	m.Text = p.text(m.Text)
	m.ToolCalls = p.calls(m.ToolCalls)
	return m
}

func (p *pass) calls(calls stages.List[stages.ToolCall]) stages.List[stages.ToolCall] {
	return rewrite(p, calls, func(c stages.ToolCall) stages.ToolCall {
		c.Arguments = p.json(c.Arguments)
		return c
	})
}

func (p *pass) requirements(l stages.List[stages.Requirement]) stages.List[stages.Requirement] {
	return rewrite(p, l, func(r stages.Requirement) stages.Requirement {
		r.Description = p.text(r.Description)
		return r
	})
}

// rewrite maps a list. It gives the list itself where nothing was found.
func rewrite[T any](p *pass, l stages.List[T], f func(T) T) stages.List[T] {
	if l.Len() == 0 {
		return l
	}
	before := p.changed
	p.changed = false
	defer func() { p.changed = p.changed || before }()
	if n := l.Map(f); p.changed {
		return n
	}
	return l
}

// verdict is what comes of a pass: the block, or the payload, changed where something was found.
func verdict[P any](p *pass, old P, changed func() P) (P, error) {
	if len(p.blocked) > 0 {
		var none P
		details := make(map[string]any, len(p.blocked))
		for name, n := range p.blocked {
			details[name] = n
		}
		return none, chain.Block("there is personal data or a secret in the text", chain.Code(CodeFound), chain.Details(details))
	}
	if !p.changed {
		return old, nil
	}
	return changed(), nil
}

// OnGenerationPreCall redacts all messages that go to the model.
func (p *Plugin) OnGenerationPreCall(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	w := p.begin(ctx)
	messages := rewrite(w, g.Messages(), w.message)
	return verdict(w, g, func() *stages.Generation { return g.WithMessages(messages) })
}

// OnGenerationStreamChunk redacts answers, whole or streamed. What the end of a chunk may be a part of is held back.
func (p *Plugin) OnGenerationStreamChunk(ctx context.Context, c *stages.Chunk) (*stages.Chunk, error) {
	w := p.begin(ctx)
	out := w.chunk(c.Released(), c.Text(), c.Final())
	return verdict(w, c, func() *stages.Chunk { return c.WithText(out) })
}

// chunk is text with what is known of what precedes it. Matches that begin in the last window runes may change when more
// comes; until then there are asterisks in their place, as many as they have characters, so that what is held back has the
// length of what came in.
func (p *pass) chunk(before, text string, final bool) string {
	from := runesBefore(before, len(before), lookBehind)
	before = before[from:]
	found := p.find(before+text, len(before))
	for i := range found {
		found[i].start -= len(before)
		found[i].end -= len(before)
	}
	if len(found) == 0 {
		return text
	}
	p.changed = true
	if final {
		p.judge(found)
		return p.replace(text, found, p.vault)
	}
	settled := runesBefore(text, len(text), window)
	n := 0
	for n < len(found) && found[n].start < settled {
		n++
	}
	p.judge(found[:n])
	end := settled
	if n > 0 {
		end = max(end, found[n-1].end)
	}
	rest := found[n:]
	for i := range rest {
		rest[i].start -= end
		rest[i].end -= end
	}
	return p.replace(text[:end], found[:n], p.vault) + cover(text[end:], rest)
}

// OnGenerationPostCall redacts the arguments of tool calls, names of tools that there are not, and the text of an answer that is
// not the backend's own, which no chunk link has seen yet. Where something is found, there or in the raw response, that response
// is left out.
func (p *Plugin) OnGenerationPostCall(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	w := p.begin(ctx)
	out := g.Output()
	text := out.Text
	calls := rewrite(w, w.calls(out.ToolCalls), func(c stages.ToolCall) stages.ToolCall {
		if !slices.ContainsFunc(g.Tools().Slice(), func(t stages.Callable) bool { return t.Name == c.Name }) {
			c.Name = w.text(c.Name)
		}
		return c
	})
	if g.Source() != stages.SourceBackend {
		text = w.text(text)
	}
	raw := out.Raw
	if raw != "" && (w.changed || w.inRaw(string(raw))) {
		raw, w.changed = "", true
	}
	return verdict(w, g, func() *stages.Generation { return g.WithToolCalls(calls).WithText(text).WithRaw(raw) })
}

// OnToolPreInvoke redacts the arguments of a tool.
func (p *Plugin) OnToolPreInvoke(ctx context.Context, t *stages.Tool) (*stages.Tool, error) {
	w := p.begin(ctx)
	arguments := w.json(t.Arguments())
	return verdict(w, t, func() *stages.Tool { return t.WithArguments(arguments) })
}

// OnToolPostInvoke redacts what a tool says.
func (p *Plugin) OnToolPostInvoke(ctx context.Context, t *stages.Tool) (*stages.Tool, error) {
	w := p.begin(ctx)
	output := inJSON(t.Output(), w.text)
	return verdict(w, t, func() *stages.Tool { return t.WithOutput(output) })
}
