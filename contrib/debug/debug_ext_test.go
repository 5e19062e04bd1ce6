package debug_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

type berth struct {
	Number int `json:"number"`
}

func show(s string) string { return strings.ReplaceAll(s, "secret", "[redacted]") }

// A whole session, line by line.
func TestTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		tool, err := session.NewTool("tides", "Tells the tide.", func(context.Context, berth) (string, error) {
			<-time.After(300 * time.Millisecond)
			return "high", nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b := script("no", stages.ToolCall{ID: "1", Name: "tides", Arguments: `{"number":3}`}, "a crane, secret")
		s, closed := started(t, trace(t, debug.Settings{Writer: &out, Redact: show}), b, session.WithTools(tool))
		if res, err := s.Instruct(t.Context(), "Which berth?", session.Name("note"), session.Require(plugintest.Mentions("crane"))); err != nil || !res.Success {
			t.Fatal(res, err)
		}
		closed()
		const want = `SESS #1 ok session SESSION with script-1
SESS #2 > component Instruction note: "Which berth?", 1 requirements, 0 messages before
SESS #2   > sampling rejection_sampling, budget 3
SESS #2     > generation 4 by script-1 of 1 messages, the last by user: "Which berth?\n\nRequirements:\n- Mention crane", 1 tools
SESS #2     ok generation 4 "no", stop, 10+3 tokens
SESS #2     > validation 5 of 1 requirements by go
SESS #2       - validation 5 requirement 1, "Mention crane": "no crane"
SESS #2     ok validation 5 0 of 1 fulfilled
SESS #2     ok repair 6 1, identity
SESS #2     > generation 7 by script-1 of 1 messages, the last by user: "Which berth?\n\nRequirements:\n- Mention crane", 1 tools
SESS #2     ok generation 7 <0 runes>, tool_calls, 10+3 tokens, 1 tool calls
SESS #2     > tool 8 tides with "{"number":3}"
SESS #2     ok tool 8 "high" in 300ms
SESS #2     > generation 9 by script-1 of 3 messages, the last by tool: "high", 1 tools
SESS #2     ok generation 9 "a crane, [redacted]", stop, 10+3 tokens
SESS #2     > validation 10 of 1 requirements by go
SESS #2     ok validation 10 1 of 1 fulfilled
SESS #2   ok sampling after 2 attempts in 300ms
SESS #2 ok component "a crane, [redacted]", 30+9 tokens in 300ms
SESS #3 ok session closed after 1 calls, 3 generations, 30+9 tokens in 300ms
`
		if got := out.lines(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// How calls end: blocked, failed, canceled. Without a redactor nothing shows what was said, not even by an error.
func TestNoContents(t *testing.T) {
	t.Parallel()
	var out buffer
	b := script("the secret", errors.New("offline: secret"), "x", stages.ToolCall{ID: "1", Name: "secret_tool", Arguments: `"secret"`}, "fine")
	tool, err := session.NewTool("tides", "Tells the tide.", func(context.Context, berth) (string, error) { return "secret", nil })
	if err != nil {
		t.Fatal(err)
	}
	s, closed := started(t, trace(t, debug.Settings{Writer: &out}), b, session.WithTools(tool), session.WithSetup(func(p *stages.Pipeline) error {
		_, err := p.Generation.Use(chain.Before("guard", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if strings.Contains(g.Messages().At(g.Messages().Len()-1).Text, "dynamite") {
				return nil, chain.Block("secret reason", chain.Code("topic"))
			}
			return g, nil
		}))
		return err
	}))
	ctx := t.Context()
	_, _ = s.Instruct(ctx, "a secret question", session.Require(plugintest.Mentions("secret")))
	_, _ = s.Instruct(ctx, "a secret that fails")
	_, _ = s.Instruct(ctx, "secret dynamite")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, _ = s.Instruct(gone, "canceled")
	_, _ = s.Instruct(ctx, "tools", session.Require(plugintest.Mentions("secret")))
	closed()
	text := out.lines()
	hasNot(t, text, "secret", "dynamite", "Mention")
	has(t, text, "<10 runes>, stop", "failed (", "blocked by guard [topic]: <13 runes>", "> tool")
}

// An escape sequence, whoever says it, reaches no terminal, and nothing makes two lines of one.
func TestNothingControlsTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\x9b31m\u202e\r\nSESS #9 ok\a\u2028\xff"
	var out buffer
	b := script(stages.ToolCall{ID: "1", Name: evil, Arguments: stages.JSON(evil)}, evil, errors.New(evil))
	tool, err := session.NewTool("tides", "Tells the tide.", func(context.Context, berth) (string, error) { return evil, nil })
	if err != nil {
		t.Fatal(err)
	}
	s, closed := started(t, trace(t, debug.Settings{Writer: &out, Redact: func(s string) string { return s + evil }}), b, session.WithTools(tool))
	_, _ = s.Instruct(t.Context(), evil, session.Name(evil), session.LoopBudget(1), session.Require(stages.Requirement{
		Name: evil, Description: evil,
		Check: func(context.Context, stages.Target) (stages.Verdict, error) {
			return stages.Verdict{Ruling: stages.Fail, Reason: evil}, nil
		},
	}))
	_, _ = s.Instruct(t.Context(), evil)
	closed()
	text := out.lines()
	has(t, text, `\x1b[2J`, `\u202e\r\n`, `\xff`, "requirement 1")
	for _, r := range text {
		if r != '\n' && (r < ' ' || r >= 0x7f && r <= 0x9f || r == '\u202e' || r == '\u2028' || r == '\ufffd') {
			t.Fatalf("%q in %q", r, text)
		}
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "SESS #") || strings.HasPrefix(line, "SESS #9") {
			t.Errorf("a line of its own: %q", line)
		}
	}
}

// Texts are shortened in runes, after they were redacted: what is cut off cannot hide a secret from the redactor.
func TestPreview(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"short", "ääää", `"ääää"`},
		{"long", "ääääää", `"ääää…"`},
		{"redacted before it is cut", "äsecret", `"ä[re…"`},
		{"not shown", "panic", "<5 runes, the redactor failed>"},
		{"empty", "", "<0 runes>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out buffer
			p := trace(t, debug.Settings{Writer: &out, Preview: 4, Redact: func(s string) string {
				if s == "panic" {
					panic(s)
				}
				return show(s)
			}})
			g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}).
				Done(stages.GenerationResult{Source: stages.SourceBackend, Output: stages.Output{Text: tc.text}})
			p.ObserveGeneration(t.Context(), chain.Outcome[*stages.Generation]{Payload: g})
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			has(t, out.lines(), "generation "+tc.want+", ")
		})
	}
}

// The plugin does not make a stream buffered.
func TestStream(t *testing.T) {
	t.Parallel()
	var out buffer
	s, closed := started(t, trace(t, debug.Settings{Writer: &out}), script("high water today"))
	var chunks []string
	for chunk, err := range s.Stream(t.Context(), "tide").Text() {
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, chunk)
	}
	if len(chunks) != 3 {
		t.Errorf("%q", chunks)
	}
	closed()
	has(t, out.lines(), "> stream started", "> stream first_chunk", "ok stream ended", "3 chunks, the first")
	hasNot(t, out.lines(), "buffered")
}

// Lines of 64 sessions at once are whole, and of each request there are all.
func TestConcurrentSessions(t *testing.T) {
	t.Parallel()
	var out buffer
	p := trace(t, debug.Settings{Writer: &out, Color: "always"})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			s, closed := started(t, p, script("no", "a crane"))
			if _, err := s.Instruct(t.Context(), "berth", session.Require(plugintest.Mentions("crane"))); err != nil {
				t.Error(err)
			}
			closed()
		})
	}
	wg.Wait()
	tags := map[string]int{}
	for _, w := range out.writes {
		if !strings.HasSuffix(w, "\n") || strings.Count(w, "\n") != 1 {
			t.Errorf("no line: %q", w)
		}
		tag, _, _ := strings.Cut(w, "\x1b[0m ")
		tags[tag]++
	}
	sizes := map[int]int{}
	for _, n := range tags {
		sizes[n]++
	}
	if p.Lost() != 0 || sizes[1] != 128 || sizes[14] != 64 {
		t.Errorf("%d lost, requests by their lines: %v", p.Lost(), sizes)
	}
}

// stuck blocks until it is let go.
type stuck struct {
	buffer
	free chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.free
	return s.buffer.Write(p)
}

func TestStuckWriter(t *testing.T) {
	t.Parallel()
	w := &stuck{free: make(chan struct{})}
	p := trace(t, debug.Settings{Writer: w})
	g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{})
	const calls = 5000
	for range calls { // none of them waits
		_, _ = p.OnGenerationPreCall(t.Context(), g)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	lost := p.Lost()
	if lost < calls-2*1024-1 || lost >= calls {
		t.Errorf("%d lost", lost)
	}
	close(w.free)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_, _ = p.OnGenerationPreCall(t.Context(), g)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	var told, lines int64
	for _, l := range w.writes {
		var n int64
		if _, err := fmt.Sscanf(l, "... %d lines were dropped", &n); err == nil {
			told += n
		} else {
			lines++
		}
	}
	if told != lost || lines != calls-lost+1 {
		t.Errorf("%d lines, %d lost, and said of %d", lines, lost, told)
	}
}

type broken struct{ panics bool }

func (b broken) Write([]byte) (int, error) {
	if b.panics {
		panic("writer")
	}
	return 0, errors.New("no space left on device")
}

func TestBrokenWriter(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		p := trace(t, debug.Settings{Writer: broken{panics}})
		s, closed := started(t, p, script("fine"))
		if _, err := s.Instruct(t.Context(), "berth"); err != nil {
			t.Error(err)
		}
		closed()
		if p.Lost() != 10 {
			t.Errorf("%d lost", p.Lost())
		}
	}
}

// Colors: on a terminal, unless somebody said no; see https://no-color.org.
func TestColor(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, tc := range []struct {
		name, color, noColor, term string
		terminal, file, want       bool
	}{
		{name: "terminal", terminal: true, want: true},
		{name: "no terminal"},
		{name: "a file", file: true},
		{name: "NO_COLOR", noColor: "1", terminal: true},
		{name: "a dumb terminal", term: "dumb", terminal: true},
		{name: "always", color: "always", noColor: "1", want: true},
		{name: "never", color: "never", terminal: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", tc.noColor)
			t.Setenv("TERM", tc.term)
			var out buffer
			s := debug.Settings{Writer: &out, Color: tc.color}
			if tc.terminal || tc.file {
				f := terminal
				if tc.file {
					f = file
				}
				s.Writer = struct {
					*buffer
					*fd
				}{&out, &fd{f}}
			}
			p := trace(t, s)
			_, _ = p.OnGenerationPreCall(t.Context(), stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}))
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(out.lines(), "\x1b["); got != tc.want {
				t.Errorf("%q", out.lines())
			}
		})
	}
}

type fd struct{ f *os.File }

func (f *fd) Fd() uintptr { return f.f.Fd() }

func TestSettings(t *testing.T) {
	t.Parallel()
	_, err := debug.New(debug.Settings{Color: "blue", Preview: -1})
	if err == nil {
		t.Fatal("no error")
	}
	has(t, err.Error(), `color is "blue"`, "preview is -1")
}

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	p := trace(t, debug.Settings{Writer: &buffer{}, Redact: show})
	for name, run := range map[string]func(*testing.T){
		"component":  conforms(stages.NewComponent(stages.Meta{}, stages.ComponentFields{}), p.OnComponentPreExecute, p.ObserveComponent),
		"sampling":   conforms(stages.NewSampling(stages.Meta{}, stages.SamplingFields{}), p.OnSamplingLoopStart, p.ObserveSampling),
		"generation": conforms(stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}), p.OnGenerationPreCall, p.ObserveGeneration),
		"validation": conforms(stages.NewValidation(stages.Meta{}, stages.ValidationFields{}), p.OnValidationPreCheck, p.ObserveValidation),
		"tool":       conforms(stages.NewTool(stages.Meta{}, stages.ToolFields{}), p.OnToolPreInvoke, p.ObserveTool),
		"repair":     conforms(stages.NewRepair(stages.Meta{}, stages.RepairFields{}), nil, p.ObserveRepair),
		"session":    conforms(stages.NewSession(stages.Meta{}, stages.SessionFields{}), nil, p.ObserveSession),
		"cleanup":    conforms(stages.NewCleanup(stages.Meta{}, stages.CleanupFields{}), nil, p.ObserveCleanup),
		"stream":     conforms(stages.NewStreamEvent(stages.Meta{}, stages.StreamEventFields{}), nil, p.ObserveStream),
	} {
		t.Run(name, run)
	}
}

func conforms[P any](payload *P, before chain.Handler[*P], observe func(context.Context, chain.Outcome[*P])) func(*testing.T) {
	return func(t *testing.T) {
		fresh := chaintest.Payload(func() *P { return payload })
		if before != nil {
			t.Run("before", func(t *testing.T) { chaintest.Run(t, chain.Before("x", before, chain.InMode(chain.Audit)), fresh) })
		}
		t.Run("observe", func(t *testing.T) { chaintest.Run(t, chain.Observe("x", observe), fresh) })
	}
}
