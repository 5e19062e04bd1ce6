package pii_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const (
	address = "ann@example.com"
	card    = "4111 1111 1111 1111"
)

func plugin(tb testing.TB, s pii.Settings) *pii.Plugin {
	tb.Helper()
	p, err := pii.New(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// seen is all that links, observers and the backend get of a session's calls, as JSON.
type seen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *seen) add(where string, payload any) {
	b, err := json.Marshal(payload)
	if err != nil {
		b = []byte(err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.text, "%s %s\n", where, b)
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func observe[P any](tb testing.TB, s *seen, c *chain.Chain[P]) {
	tb.Helper()
	if _, err := c.Use(chain.Observe("seen", func(_ context.Context, o chain.Outcome[P]) { s.add(c.Name(), o.Payload) })); err != nil {
		tb.Fatal(err)
	}
}

// begin starts a session with a plugin and notes what its payloads have.
func begin(tb testing.TB, b session.Backend, p *pii.Plugin, opts ...session.Option) (*session.Session, *seen) {
	tb.Helper()
	s, err := session.Start(tb.Context(), append([]session.Option{
		session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(b), session.WithPlugins(p),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close(context.Background()) })
	all, l := &seen{}, s.Pipeline()
	observe(tb, all, l.Create)
	observe(tb, all, l.Component)
	observe(tb, all, l.Sampling)
	observe(tb, all, l.Iteration)
	observe(tb, all, l.Repair)
	observe(tb, all, l.Generation)
	observe(tb, all, l.Chunk)
	observe(tb, all, l.Validation)
	observe(tb, all, l.Tool)
	observe(tb, all, l.HistoryChange)
	observe(tb, all, l.Cleanup)
	return s, all
}

// script answers with its texts and tool calls in turn, the last one for ever, and notes what it was asked.
type script struct {
	mu    sync.Mutex
	turns []func(*stages.Generation) stages.Output
	asked seen
}

func (b *script) next(g *stages.Generation) stages.Output {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked.add("asked", g.Messages())
	f := b.turns[0]
	if len(b.turns) > 1 {
		b.turns = b.turns[1:]
	}
	return f(g)
}

func (b *script) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g.Done(stages.GenerationResult{Output: b.next(g), Source: stages.SourceBackend}), nil
}

// GenerateStream gives the text in pieces of three bytes.
func (b *script) GenerateStream(_ context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	o := b.next(g)
	for at := 0; at < len(o.Text); at += 3 {
		if err := emit(o.Text[at:min(at+3, len(o.Text))]); err != nil {
			return nil, err
		}
	}
	return g.Done(stages.GenerationResult{Output: o, Source: stages.SourceBackend}), nil
}

func says(text string) func(*stages.Generation) stages.Output {
	return func(*stages.Generation) stages.Output {
		return stages.Output{Text: text, FinishReason: stages.FinishStop}
	}
}

func echoes(g *stages.Generation) stages.Output {
	m := g.Messages()
	return stages.Output{Text: m.At(m.Len() - 1).Text, FinishReason: stages.FinishStop}
}

func clean(tb testing.TB, where, text string) {
	tb.Helper()
	for _, secret := range []string{address, "ann@", "1111 1111", "4111111111"} {
		if strings.Contains(text, secret) {
			tb.Errorf("%s has %q: %.2000s", where, secret, text)
		}
	}
}

// All kinds of component, whole and streamed: what the model, the history and all payloads get has no personal data.
func TestNothingGetsThrough(t *testing.T) {
	ctx := t.Context()
	for name, ask := range map[string]func(s *session.Session) (*session.Result, error){
		"instruct": func(s *session.Session) (*session.Result, error) {
			return s.Instruct(ctx, "Write to {{.who}} or "+address, session.Variable("who", address), session.Examples("to "+address),
				session.Grounding(stages.ContextItem{Name: "file of " + address, Text: card}), session.Prefix("Dear "+address),
				session.Require(session.Check("It names "+card, func(string) (bool, string) { return true, "" })))
		},
		"chat": func(s *session.Session) (*session.Result, error) { return s.Chat(ctx, "My card is "+card) },
		"query": func(s *session.Session) (*session.Result, error) {
			return s.Query(ctx, map[string]string{"a": address}, "Whose is "+card+"?")
		},
		"act": func(s *session.Session) (*session.Result, error) { return s.Act(ctx, session.Reply("I am "+address)) },
		"repair": func(s *session.Session) (*session.Result, error) {
			n := 0
			return s.Instruct(ctx, "Try.", session.Using(session.MultiTurn{LoopBudget: 2}), session.Require(session.CheckOnly(session.Check("", func(string) (bool, string) {
				n++
				return n > 1, "it is not " + card
			}))))
		},
		"stream": func(s *session.Session) (*session.Result, error) {
			st := s.Stream(ctx, "Say "+address+strings.Repeat(" and so on", 40)+" and "+card+strings.Repeat(" and so on", 40))
			var got strings.Builder
			pieces := 0
			for text, err := range st.Text() {
				if err != nil {
					return nil, err
				}
				pieces++
				got.WriteString(text)
			}
			clean(t, "the stream", got.String())
			if res, _ := st.Result(); pieces < 10 || res.Text() != got.String() {
				return nil, fmt.Errorf("%d pieces: %q", pieces, got.String())
			}
			return st.Result()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := &script{turns: []func(*stages.Generation) stages.Output{echoes}}
			system := session.WithHistory(stages.NewHistory(stages.Message{Role: stages.RoleSystem, Text: "The master is " + address}))
			s, all := begin(t, b, plugin(t, pii.Settings{}), system)
			res, err := ask(s)
			if err != nil {
				t.Fatal(err)
			}
			clean(t, "the backend", b.asked.String())
			clean(t, "a payload", strings.ReplaceAll(all.String(), "The master is "+address, "")) // the session's own, see the page
			clean(t, "the result", res.Text())
			for _, m := range s.History().All() {
				if m.Role != stages.RoleSystem {
					clean(t, "the history", m.Text)
				}
			}
			if !strings.Contains(b.asked.String(), "The master is [EMAIL]") {
				t.Errorf("the seed of the history: %s", b.asked.String())
			}
		})
	}
}

// An answer that the model makes up is redacted as a whole and in a stream, and the two agree.
func TestAnswers(t *testing.T) {
	text := "Mail " + address + ". " + strings.Repeat("The tide is high. ", 30) + "Pay by " + card + " or " + address
	want := strings.NewReplacer(address, "[EMAIL]", card, "[CARD]").Replace(text)
	s, _ := begin(t, &script{turns: []func(*stages.Generation) stages.Output{says(text)}}, plugin(t, pii.Settings{}))
	res, err := s.Instruct(t.Context(), "Say something.")
	if err != nil || res.Text() != want {
		t.Errorf("got %v, %v", res, err)
	}
	var got strings.Builder
	for chunk, err := range s.Stream(t.Context(), "Say something.").Text() {
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(chunk)
	}
	if got.String() != want {
		t.Errorf("streamed: %q", got.String())
	}
	if how := s.Pipeline().Streaming(t.Context()); len(how.Buffered()) > 0 || how.HoldBack != 271 {
		t.Errorf("%v", how)
	}
}

// A label is left alone in a stream as well, however long its name is.
func TestLongLabelInAStream(t *testing.T) {
	name := strings.Repeat("n", 24)
	label := "[" + strings.ToUpper(name) + "#" + strings.Repeat("abcdef", 3) + "]"
	settings := pii.Settings{Detectors: []string{pii.Email}, Patterns: []pii.Pattern{{Name: name, Regexp: `[a-f]{4}\]`}}}
	for pad := range 3 {
		text := strings.Repeat("x", pad) + " " + label + strings.Repeat(" The tide is high.", 30)
		s, _ := begin(t, &script{turns: []func(*stages.Generation) stages.Output{says(text)}}, plugin(t, settings))
		got := ""
		for chunk, err := range s.Stream(t.Context(), "Say something.", session.Chunked(session.ChunkRaw)).Text() {
			if err != nil {
				t.Fatal(err)
			}
			got += chunk
		}
		if got != text {
			t.Errorf("%q, want it unchanged", got[:80])
		}
	}
}

// An answer of a link in the backend's place, a cache, say, is redacted too, for observers of the generation as well.
func TestAnswersOfLinks(t *testing.T) {
	s, all := begin(t, ngram.NewBackend(), plugin(t, pii.Settings{}))
	if _, err := s.Pipeline().Generation.Use(chain.Around("cache", func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
		return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Source: stages.SourceCache, Output: stages.Output{Text: "It is " + address}}), nil
		}
	})); err != nil {
		t.Fatal(err)
	}
	res, err := s.Instruct(t.Context(), "Who?")
	if err != nil || res.Text() != "It is [EMAIL]" {
		t.Errorf("got %v, %v", res, err)
	}
	clean(t, "a payload", all.String())
}

// Arguments and results of tools are redacted, and stay JSON.
func TestTools(t *testing.T) {
	asks := func(*stages.Generation) stages.Output {
		return stages.Output{FinishReason: stages.FinishToolCalls, ToolCalls: stages.ListOf(stages.ToolCall{
			ID: "1", Name: "pay", Arguments: `{"to": "ann\u0040example.com", "card": 4111111111111111, "n": [1, -2.5e3, true, "\"x\\"]}`,
		})}
	}
	var got string
	tool := stages.Callable{Name: "pay", Call: func(_ context.Context, a json.RawMessage) (any, error) {
		got = string(a)
		return map[string]string{"receipt": "sent to " + address, "by": card}, nil
	}}
	b := &script{turns: []func(*stages.Generation) stages.Output{asks, says("done")}}
	s, all := begin(t, b, plugin(t, pii.Settings{}), session.WithTools(tool))
	if _, err := s.Instruct(t.Context(), "Pay."); err != nil {
		t.Fatal(err)
	}
	if want := `{"to": "[EMAIL]", "card": "[CARD]", "n": [1, -2.5e3, true, "\"x\\"]}`; got != want {
		t.Errorf("the tool got %s, want %s", got, want)
	}
	if want := `{"by":"[CARD]","receipt":"sent to [EMAIL]"}`; !strings.Contains(b.asked.String(), jsonOf(want)) {
		t.Errorf("the model was told %s", b.asked.String())
	}
	clean(t, "a payload", all.String())
}

// The raw response goes where it has something that was taken out of the answer, or that the answer does not even have, and
// stays where only a server's names for things look like secrets.
func TestRaw(t *testing.T) {
	const id = `"id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "choices": [{"tool_calls": [{"id": "call_DdmO9pD3xa9XTPNJ32zg2hcA"}]}], "n": `
	for name, tc := range map[string]struct {
		out  stages.Output
		keep bool
	}{
		"nothing":                 {stages.Output{Raw: `{` + id + `1}`}, true},
		"arguments":               {stages.Output{Raw: `{}`, ToolCalls: stages.ListOf(stages.ToolCall{Name: "pay", Arguments: `["` + card + `"]`})}, false},
		"reasoning":               {stages.Output{Raw: `{` + id + `{"reasoning": "It is ann\u0040example.com."}}`}, false},
		"arguments in a string":   {stages.Output{Raw: `{"arguments": "{\"to\": \"ann\\u0040example.com\", \"n\": 1}"}`}, false},
		"a number":                {stages.Output{Raw: `{"n": 4111111111111111}`}, false},
		"a key":                   {stages.Output{Raw: `{"` + address + `": 1}`}, false},
		"an address for an id":    {stages.Output{Raw: `{"id": "` + address + `"}`}, false},
		"a secret beside an id":   {stages.Output{Raw: `{"id": 1, "said": "sk-B9MBs8CjcvOU2jLn4n570S5qMJKcT"}`}, false},
		"no JSON":                 {stages.Output{Raw: "data: " + address}, false},
		"a name of no tool":       {stages.Output{Raw: `{}`, ToolCalls: stages.ListOf(stages.ToolCall{Name: address})}, false},
		"the name of a real tool": {stages.Output{Raw: `{}`, ToolCalls: stages.ListOf(stages.ToolCall{Name: "4111111111111111"})}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := &script{turns: []func(*stages.Generation) stages.Output{func(*stages.Generation) stages.Output { return tc.out }, says("done")}}
			tools := []stages.Callable{{Name: "4111111111111111", Call: func(context.Context, json.RawMessage) (any, error) { return "", nil }}}
			s, all := begin(t, b, plugin(t, pii.Settings{}), session.WithTools(tools...))
			if _, err := s.Instruct(t.Context(), "Pay."); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(all.String(), tools[0].Name, "")
			clean(t, "a payload", text)
			if strings.Contains(text, `\u0040`) || strings.Contains(text, `sk-`) {
				t.Errorf("a payload: %.2000s", text)
			}
			empty := strings.NewReplacer(`"raw":null`, "", `"raw":""`, "")
			if got := strings.Contains(empty.Replace(text), `"raw":`); got != tc.keep {
				t.Errorf("a raw response is there: %v, want %v", got, tc.keep)
			}
		})
	}
}

// failing is a backend that breaks down when it has said something.
type failing struct{ *script }

func (b failing) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g.Done(stages.GenerationResult{Output: b.next(g)}), errors.New("broken")
}

// What there is of an answer that failed is shown to those who observe, and no link can change it.
func TestPartialAnswers(t *testing.T) {
	b := failing{&script{turns: []func(*stages.Generation) stages.Output{func(*stages.Generation) stages.Output {
		return stages.Output{Text: "I am " + address, Raw: `["` + address + `"]`, ToolCalls: stages.ListOf(stages.ToolCall{Name: "pay", Arguments: `["` + card + `"]`})}
	}}}}
	s, all := begin(t, b, plugin(t, pii.Settings{}))
	if _, err := s.Instruct(t.Context(), "Pay."); err == nil {
		t.Fatal("no error")
	}
	clean(t, "a payload", all.String())
}

func jsonOf(text string) string {
	b, _ := json.Marshal(text)
	return string(b[1 : len(b)-1])
}

// Tokens: only the caller, who has the vault, gets the originals back, also where the reader of a stream cuts a token.
func TestTokens(t *testing.T) {
	b := &script{turns: []func(*stages.Generation) stages.Output{echoes}}
	s, all := begin(t, b, plugin(t, pii.Settings{Action: pii.Token}))
	vault, other := pii.NewVault(0), pii.NewVault(0)
	ctx := pii.WithVault(t.Context(), vault)
	text := "Write to " + address + ", not to " + card + ", but to " + address
	res, err := s.Instruct(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, "the result", res.Text())
	if got := vault.Restore(res.Text()); got != text {
		t.Errorf("restored %q", got)
	}
	if got := other.Restore(res.Text()); got != res.Text() {
		t.Errorf("another vault restored %q", got)
	}
	var streamed strings.Builder
	for chunk, err := range vault.Stream(s.Stream(ctx, text).Text()) {
		if err != nil {
			t.Fatal(err)
		}
		streamed.WriteString(chunk)
	}
	if streamed.String() != text {
		t.Errorf("streamed %q", streamed.String())
	}
	if vault.Len() != 2 {
		t.Errorf("%d values, want one for each text", vault.Len())
	}
	clean(t, "a payload", all.String())
	clean(t, "the backend", b.asked.String())
	clean(t, "the context", fmt.Sprintf("%v %+v %#v %s", ctx, vault, vault, vault))
	if res, err = s.Instruct(t.Context(), "I am "+address); err != nil || res.Text() != "I am [EMAIL]" {
		t.Errorf("without a vault: %v, %v", res, err)
	}
}

// A block ends the call, whatever it is found in, and says nothing of what was found.
func TestBlock(t *testing.T) {
	for name, answer := range map[string]string{"in the prompt": "", "in the answer": "It is " + card} {
		t.Run(name, func(t *testing.T) {
			b := &script{turns: []func(*stages.Generation) stages.Output{says(answer)}}
			s, _ := begin(t, b, plugin(t, pii.Settings{Actions: map[string]pii.Action{pii.Card: pii.Block}}))
			prompt := "Ask " + address
			if answer == "" {
				prompt += " about " + card
			}
			check := func(err error) {
				t.Helper()
				v, ok := errors.AsType[*chain.Violation](err)
				if !ok || v.Code != pii.CodeFound || fmt.Sprint(v.Details) != "map[card:1]" {
					t.Fatalf("got %v", err)
				}
				clean(t, "the error", err.Error())
			}
			_, err := s.Instruct(t.Context(), prompt)
			check(err)
			if answer == "" {
				if b.asked.String() != "" {
					t.Error("the model was asked")
				}
				return
			}
			var last error
			for text, err := range s.Stream(t.Context(), prompt).Text() {
				clean(t, "the stream", text)
				last = err
			}
			check(last)
		})
	}
}

// What may still become something else is neither a reason to block nor kept in the vault.
func TestUnsettled(t *testing.T) {
	vault := pii.NewVault(0)
	p := plugin(t, pii.Settings{Action: pii.Token, Actions: map[string]pii.Action{pii.Card: pii.Block}})
	ask := func(text string, final bool) (string, error) {
		c, err := p.OnGenerationStreamChunk(pii.WithVault(t.Context(), vault), stages.NewChunk(stages.Meta{}, stages.ChunkFields{Text: text, Final: final}))
		if err != nil {
			return "", err
		}
		return c.Text(), nil
	}
	if got, err := ask("a 4111111111111111", false); err != nil || got != "a ****************" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := ask("a 41111111111111112345678", true); err != nil || got != "a 41111111111111112345678" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := ask("to ann@example.co", false); err != nil || got != "to **************" || vault.Len() != 0 {
		t.Errorf("got %q, %v, %d in the vault", got, err, vault.Len())
	}
	if got, err := ask("to ann@example.com", true); err != nil || vault.Restore(got) != "to ann@example.com" || vault.Len() != 1 {
		t.Errorf("got %q, %v, %d in the vault", got, err, vault.Len())
	}
}

// A redactor that fails must not let anything through, also in a mode in which it cannot block.
func TestFailsClosed(t *testing.T) {
	for _, mode := range []chain.Mode{chain.Sequential, chain.Transform} {
		p := stages.NewPipeline(stages.PipelineConfig{})
		if _, err := p.Register(t.Context(), stages.With(plugin(t, pii.Settings{}), chain.InMode(mode))); err != nil {
			t.Fatal(err)
		}
		for _, c := range []chain.Plan{p.Create.Explain(), p.Component.Explain(), p.Repair.Explain(), p.Validation.Explain(), p.Generation.Explain(), p.Chunk.Explain(), p.Tool.Explain()} {
			for _, l := range c.Links {
				if l.OnFailure != chain.Fail || l.Mode != mode || l.Priority != 10 {
					t.Errorf("%s in mode %v: %+v", l.Name, mode, l)
				}
			}
		}
	}
}

// A cache in front of the redactor would have the originals in its keys.
func TestCacheInFrontIsRefused(t *testing.T) {
	pass := func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return next }
	for _, first := range []string{"cache", "pii"} {
		p := stages.NewPipeline(stages.PipelineConfig{})
		register := map[string]func(...chain.Option) error{
			"pii": func(...chain.Option) error {
				_, err := p.Register(t.Context(), plugin(t, pii.Settings{}))
				return err
			},
			"cache": func(opts ...chain.Option) error {
				_, err := p.Generation.Use(chain.Around("response_cache.wrap_generation", pass, opts...))
				return err
			},
		}
		second := map[string]string{"cache": "pii", "pii": "cache"}[first]
		if err := register[first](chain.Outer()); err != nil {
			t.Fatal(err)
		}
		err := register[second](chain.Outer())
		if err == nil || !strings.Contains(err.Error(), "response_cache.wrap_generation") || !strings.Contains(err.Error(), "pii.generation_pre_call") {
			t.Errorf("%s first: got %v", first, err)
		}
		p = stages.NewPipeline(stages.PipelineConfig{})
		if err := errors.Join(register[first](), register[second]()); err != nil {
			t.Errorf("an inner cache: %v", err)
		}
	}
}

// One plugin serves many sessions at once.
func TestConcurrent(t *testing.T) {
	p := plugin(t, pii.Settings{Action: pii.Token})
	vault := pii.NewVault(0)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
				session.WithBackend(&script{turns: []func(*stages.Generation) stages.Output{echoes}}), session.WithPlugins(p))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close(context.Background()) }()
			text := fmt.Sprintf("I am number%d@example.com, she is %s", i, address)
			res, err := s.Instruct(pii.WithVault(t.Context(), vault), text)
			if err != nil || vault.Restore(res.Text()) != text || strings.Contains(res.Text(), "example") {
				t.Errorf("got %v, %v", res, err)
			}
		})
	}
	wg.Wait()
	if vault.Len() != 65 {
		t.Errorf("%d values", vault.Len())
	}
}

func TestConformance(t *testing.T) {
	p := plugin(t, pii.Settings{})
	message := stages.Message{Role: stages.RoleUser, Text: "I am " + address}
	calls := stages.ListOf(stages.ToolCall{Name: "pay", Arguments: `{"card": "` + card + `"}`})
	answered := stages.GenerationResult{Output: stages.Output{Text: address, ToolCalls: calls}}
	generation := func() *stages.Generation {
		return stages.NewGeneration(stages.Meta{}, stages.GenerationFields{Messages: stages.ListOf(message)}).Done(answered)
	}
	create := func() *stages.Create {
		c := stages.NewCreate(stages.Meta{}, stages.CreateFields{Description: address, Examples: stages.ListOf(card)})
		return c.Done(stages.CreateResult{Component: session.Reply(address)})
	}
	component := func() *stages.Component {
		return stages.NewComponent(stages.Meta{}, stages.ComponentFields{Action: session.Reply(address), History: stages.NewHistory(message)})
	}
	repair := func() *stages.Repair {
		return stages.NewRepair(stages.Meta{}, stages.RepairFields{RepairAction: session.Reply(address), RepairHistory: stages.NewHistory(message)})
	}
	tool := func() *stages.Tool {
		return stages.NewTool(stages.Meta{}, stages.ToolFields{Arguments: calls.At(0).Arguments}).Done(stages.ToolResult{Output: address})
	}
	chunk := func() *stages.Chunk { return stages.NewChunk(stages.Meta{}, stages.ChunkFields{Text: address}) }
	validation := func() *stages.Validation {
		return stages.NewValidation(stages.Meta{}, stages.ValidationFields{}).Done(stages.ValidationResult{
			Results: stages.ListOf(stages.Finding{Verdict: stages.Verdict{Reason: address}}),
		})
	}
	t.Run("validation_post_check", func(t *testing.T) {
		chaintest.Run(t, chain.After("pii", p.OnValidationPostCheck), chaintest.Payload(validation))
	})
	t.Run("generation_pre_call", func(t *testing.T) {
		chaintest.Run(t, chain.Before("pii", p.OnGenerationPreCall), chaintest.Payload(generation))
	})
	t.Run("generation_post_call", func(t *testing.T) {
		chaintest.Run(t, chain.After("pii", p.OnGenerationPostCall), chaintest.Payload(generation))
	})
	t.Run("generation_stream_chunk", func(t *testing.T) {
		chaintest.Run(t, chain.Before("pii", p.OnGenerationStreamChunk), chaintest.Payload(chunk))
	})
	t.Run("component_pre_create", func(t *testing.T) {
		chaintest.Run(t, chain.Before("pii", p.OnComponentPreCreate), chaintest.Payload(create))
	})
	t.Run("component_post_create", func(t *testing.T) {
		chaintest.Run(t, chain.After("pii", p.OnComponentPostCreate), chaintest.Payload(create))
	})
	t.Run("component_pre_execute", func(t *testing.T) {
		chaintest.Run(t, chain.Before("pii", p.OnComponentPreExecute), chaintest.Payload(component))
	})
	t.Run("sampling_repair", func(t *testing.T) {
		chaintest.Run(t, chain.After("pii", p.OnSamplingRepair), chaintest.Payload(repair))
	})
	t.Run("tool_pre_invoke", func(t *testing.T) { chaintest.Run(t, chain.Before("pii", p.OnToolPreInvoke), chaintest.Payload(tool)) })
	t.Run("tool_post_invoke", func(t *testing.T) { chaintest.Run(t, chain.After("pii", p.OnToolPostInvoke), chaintest.Payload(tool)) })
}
