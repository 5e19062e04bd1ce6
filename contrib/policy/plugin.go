package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/internal/clean"
	"github.com/maillon-go/maillon/stages"
)

// Priority is that of the plugin's hooks: behind redactors, in front of what counts and caches.
const Priority = 20

// Plugin judges contents. Make one with New. Safe for concurrent use.
type Plugin struct {
	settings Settings
	scanner  *scanner
	clean    *clean.Texts // inputs, with their place and kind
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
	return &Plugin{settings: s, scanner: newScanner(rules, s.Injection != Off), clean: clean.New()}, nil
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
	return p.judge(text, at, kind, "", nil)
}

// block is the block for a finding in a text that begins offset bytes into what is judged.
func (p *Plugin) block(f finding, text string, at Place, offset int, detail string, value any) error {
	details := map[string]any{"rule": f.rule, "at": string(at), "start": offset + f.start, "end": offset + f.end}
	if p.settings.Echo {
		details["text"] = text[f.start:f.end]
	}
	if detail != "" {
		details[detail] = value
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

// OnGenerationPreCall judges all messages but system messages, which are the program's own. An assistant's are held against the
// rules for answers: they passed these when they came, unless the history was made elsewhere.
func (p *Plugin) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	kind := g.Meta().ComponentKind
	for i, m := range g.Messages().All() {
		at := Input
		switch {
		case m.Role == stages.RoleSystem || m.Text == "":
			continue
		case m.Role == stages.RoleTool:
			at = ToolOutput
		case m.Role == stages.RoleAssistant:
			at = Output
		}
		key := p.clean.Key(m.Text, string(at), kind)
		if p.clean.Has(key) {
			continue
		}
		if err := p.judge(m.Text, at, kind, "message", i); err != nil {
			return nil, err
		}
		p.clean.Add(key)
	}
	return g, nil
}

// judge is the block of a text that a rule forbids, with one more detail. What a tool answers is judged as it stands and as
// it reads without the escapes of JSON.
func (p *Plugin) judge(text string, at Place, kind, detail string, value any) error {
	parts := []string{text}
	switch {
	case at == ToolInput:
		parts = texts(text)
	case at == ToolOutput && strings.Contains(text, `\`):
		parts = append(texts(text), text)
	}
	for _, part := range parts {
		if f, found := p.scanner.scan(part, 0, at, kind); found {
			return p.block(f, part, at, 0, detail, value)
		}
	}
	return nil
}

// OnGenerationStreamChunk judges an answer, piece by piece where it is streamed, and as a whole when it is complete.
func (p *Plugin) OnGenerationStreamChunk(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
	before := c.Released()
	if !c.Final() {
		before = p.scanner.before(before)
	}
	return c, p.answer(c, before)
}

// settled is the text of a chunk without the end that the links before this one may still change: a redactor may be about to take
// out what looks like a term so far. What it leaves is judged when more text has come.
func (p *Plugin) settled(c *stages.Chunk) string {
	text := c.Text()
	for n := c.HoldBack() - p.scanner.holdBack(); n > 0 && text != ""; n-- {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// answer judges the text of a chunk behind a part of what was released before.
func (p *Plugin) answer(c *stages.Chunk, before string) error {
	text, skip := before+p.settled(c), len(before)
	if c.Final() {
		skip = 0 // what a pattern found beyond its window
	}
	f, found := p.scanner.scan(text, skip, Output, c.Meta().ComponentKind)
	if !found {
		return nil
	}
	// More text may make something else of what it ends with: wait for it, as long as that is held back.
	if !c.Final() && utf8.RuneCountInString(text[f.end:]) <= f.open && utf8.RuneCountInString(text[len(seen(text[:f.end])):]) < p.scanner.holdBack() {
		return nil
	}
	return p.block(f, text, Output, len(c.Released())-len(before), "", nil)
}

// OnToolPreInvoke judges the arguments of a tool.
func (p *Plugin) OnToolPreInvoke(_ context.Context, t *stages.Tool) (*stages.Tool, error) {
	return t, p.judge(string(t.Arguments()), ToolInput, t.Meta().ComponentKind, "tool", t.Name())
}

// OnToolPostInvoke judges what a tool answers.
func (p *Plugin) OnToolPostInvoke(_ context.Context, t *stages.Tool) (*stages.Tool, error) {
	return t, p.judge(t.Output(), ToolOutput, t.Meta().ComponentKind, "tool", t.Name())
}

// texts are the texts and numbers in a JSON document, keys too, without the escapes that could hide what they say. Keys that are
// there twice count twice, for decoders differ in which one they take. What is no JSON, or not all of it, is a text as it stands.
func texts(doc string) (out []string) {
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	for {
		switch v, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			return append(out, doc)
		default:
			switch v := v.(type) {
			case string:
				out = append(out, v)
			case json.Number:
				out = append(out, v.String())
			}
		}
	}
}
