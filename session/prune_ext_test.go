package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func said(role stages.Role, text string) stages.Message {
	return stages.Message{Role: role, Text: text}
}

// chat has a system message and turns: "q1", "a1", "q2", "a2" ...
func chat(turns int) stages.History {
	h := stages.NewHistory(said(stages.RoleSystem, "Be brief."))
	for i := range turns {
		h = h.Append(said(stages.RoleUser, fmt.Sprintf("q%d", i+1)), said(stages.RoleAssistant, fmt.Sprintf("a%d", i+1)))
	}
	return h
}

// pruned are the changes that context_prune told of, oldest first.
func pruned(r *recorder) (changes []*stages.HistoryChange) {
	for _, e := range r.all() {
		if c, ok := e.payload.(*stages.HistoryChange); ok && c.Kind() == stages.ChangePrune {
			changes = append(changes, c)
		}
	}
	return changes
}

// prunerFunc is a user's own Pruner.
type prunerFunc func(ctx context.Context, p session.Past) (session.Cut, error)

func (f prunerFunc) Prune(ctx context.Context, p session.Past) (session.Cut, error) { return f(ctx, p) }

func TestPruning(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("tide ", 40) // 50 tokens, with 4 for the message
	for _, tc := range []struct {
		name    string
		history stages.History
		pruners []session.Pruner
		steps   []step
		want    string // roles' first letters and texts
		removed string
		limit   int
		freed   int
		failed  error
	}{
		{name: "none", history: chat(2), want: "s:Be brief. u:q1 a:a1 u:q2 a:a2 u:q a:a"},
		{
			name: "turns", history: chat(3), pruners: []session.Pruner{session.KeepTurns(3)},
			want: "s:Be brief. u:q2 a:a2 u:q3 a:a3 u:q a:a", removed: "u:q1 a:a1", freed: 10,
		},
		{name: "turns: few enough", history: chat(2), pruners: []session.Pruner{session.KeepTurns(3)}, want: "s:Be brief. u:q1 a:a1 u:q2 a:a2 u:q a:a"},
		{
			name: "tokens", history: chat(0).Append(said(stages.RoleUser, long), said(stages.RoleAssistant, "a1"), said(stages.RoleUser, "q2"), said(stages.RoleAssistant, "a2")),
			pruners: []session.Pruner{session.KeepTokens(40), nil}, want: "s:Be brief. u:q2 a:a2 u:q a:a",
			removed: "u:" + long + " a:a1", limit: 40, freed: 59,
		},
		{
			name: "tokens: the newest turn alone is too long", history: chat(0).Append(said(stages.RoleUser, "q1"), said(stages.RoleAssistant, "a1")),
			pruners: []session.Pruner{session.KeepTokens(1)}, want: "s:Be brief. u:q a:a", removed: "u:q1 a:a1", limit: 1, freed: 10,
		},
		{
			name: "a summary", history: chat(1).Append(said(stages.RoleUser, long), said(stages.RoleAssistant, "a2")),
			pruners: []session.Pruner{session.Summarize{TokenLimit: 50}}, steps: []step{answer("The tide.")},
			want:    "s:Be brief. u:Summary of the conversation so far:\nThe tide. u:q a:a",
			removed: "u:q1 a:a1 u:" + long + " a:a2", limit: 50, freed: 53,
		},
		{
			name: "a summary, of what is not kept", history: chat(0).Append(said(stages.RoleUser, long), said(stages.RoleAssistant, "a1"), said(stages.RoleUser, "q2"), said(stages.RoleAssistant, "a2")),
			pruners: []session.Pruner{session.Summarize{TokenLimit: 50, KeepTurns: 2}}, steps: []step{answer("The tide.")},
			want:    "s:Be brief. u:Summary of the conversation so far:\nThe tide. u:q2 a:a2 u:q a:a",
			removed: "u:" + long + " a:a1", limit: 50, freed: 43,
		},
		{
			name: "a summary that fails", history: chat(0).Append(said(stages.RoleUser, long), said(stages.RoleAssistant, "a1")),
			pruners: []session.Pruner{session.Summarize{TokenLimit: 50}}, steps: []step{fails(errDown)},
			want: "s:Be brief. u:" + long + " a:a1 u:q a:a", failed: errDown,
		},
		{
			name: "a summary that is empty", history: chat(0).Append(said(stages.RoleUser, long), said(stages.RoleAssistant, "a1")),
			pruners: []session.Pruner{session.Summarize{TokenLimit: 50}}, steps: []step{answer(" \n")},
			want: "s:Be brief. u:" + long + " a:a1 u:q a:a", failed: errAny,
		},
		{
			name: "a summary that is longer", history: chat(0).Append(said(stages.RoleUser, long), said(stages.RoleAssistant, "a1")),
			pruners: []session.Pruner{session.Summarize{TokenLimit: 50}}, steps: []step{answer(long + long)},
			want: "s:Be brief. u:" + long + " a:a1 u:q a:a", failed: errAny,
		},
		{
			name: "when a summary fails, the next one decides", history: chat(0).Append(said(stages.RoleUser, long), said(stages.RoleAssistant, "a1")),
			pruners: []session.Pruner{session.Summarize{TokenLimit: 50}, session.KeepTurns(1)}, steps: []step{fails(errDown)},
			want: "s:Be brief. u:q a:a", removed: "u:" + long + " a:a1", freed: 59, failed: errDown,
		},
		{
			name: "a Pruner that panics", history: chat(1), pruners: []session.Pruner{prunerFunc(func(context.Context, session.Past) (session.Cut, error) { panic(errDown) })},
			want: "s:Be brief. u:q1 a:a1 u:q a:a", failed: errDown,
		},
		{
			name: "one that wants more than there is, and writes to what it got", history: chat(1),
			pruners: []session.Pruner{prunerFunc(func(_ context.Context, p session.Past) (session.Cut, error) {
				p.System[0].Text = "Be rude."
				p.Turns[1][0].Text = "Q"
				return session.Cut{Turns: 9}, nil
			})},
			want: "s:Be brief. u:q a:a", removed: "u:q1 a:a1", freed: 10,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zap.WarnLevel)
			rec, b := &recorder{}, script(append([]step{answer("a")}, tc.steps...)...)
			// What is there at the start is pruned by nothing but the first answer.
			armed := false
			var pruners []session.Pruner
			for _, p := range tc.pruners {
				if p == nil {
					pruners = append(pruners, nil)
					continue
				}
				pruners = append(pruners, prunerFunc(func(ctx context.Context, past session.Past) (session.Cut, error) {
					if !armed {
						return session.Cut{}, nil
					}
					return p.Prune(ctx, past)
				}))
			}
			s := start(t, session.WithBackend(b), session.WithHistory(tc.history), session.WithPruning(pruners...),
				session.WithSetup(rec.register), session.WithLogger(zap.New(core)))
			armed = true
			before := s.History()
			res, err := s.Instruct(t.Context(), "q")
			if err != nil || res.Text() != "a" {
				t.Fatalf("got %v, %v", res, err)
			}
			if got := transcript(s.History().Messages()); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			changes := pruned(rec)
			if (tc.removed != "") != (len(changes) == 1) {
				t.Fatalf("context_prune fired %d times", len(changes))
			}
			if len(changes) == 1 {
				c := changes[0]
				if got := transcript(c.Removed()); got != tc.removed || c.TokenLimit() != tc.limit || c.TokensFreed() != tc.freed {
					t.Errorf("removed %s, limit %d, freed %d", got, c.TokenLimit(), c.TokensFreed())
				}
				if c.Previous().Len() != before.Len()+2 || !c.Resulting().Same(s.History()) || c.Hook() != "context_prune" {
					t.Errorf("%+v", c)
				}
			}
			reported := rec.count("error_occurred") > 0 && logs.FilterMessage("the history was not pruned").Len() == 1
			if (tc.failed != nil) != reported {
				t.Errorf("error_occurred fired %d times, the log has %v", rec.count("error_occurred"), logs.All())
			}
			if reported {
				f := last[*stages.Fault](t, rec, "error_occurred")
				if !errors.Is(f.Failure().Err, tc.failed) && tc.failed != errAny || f.Where() != "context_prune" {
					t.Errorf("error_occurred told %+v", f)
				}
			}
		})
	}
}

var errAny = errors.New("whatever it is")

func transcript(messages stages.List[stages.Message]) string {
	var out []string
	for _, m := range messages.All() {
		out = append(out, string(m.Role[:1])+":"+m.Text)
	}
	return strings.Join(out, " ")
}

func TestPruningRefuses(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]session.Pruner{
		"no turns": session.KeepTurns(0), "no tokens": session.KeepTokens(-1), "no limit": session.Summarize{},
		"less than no turns": session.Summarize{TokenLimit: 1, KeepTurns: -1},
	} {
		if s, err := session.Start(t.Context(), session.WithBackend(echo()), session.WithPruning(p)); !errors.Is(err, session.ErrOption) || s != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A history that is too long from the start is pruned before the model sees it.
func TestPruningAtTheStart(t *testing.T) {
	t.Parallel()
	rec, b := &recorder{}, script(answer("a"))
	s := start(t, session.WithBackend(b), session.WithHistory(chat(9)), session.WithPruning(session.KeepTurns(1)), session.WithSetup(rec.register))
	if len(pruned(rec)) != 1 || s.History().Len() != 3 {
		t.Fatalf("%v, history %v", rec.names(), texts(s.History()))
	}
	if _, err := s.Instruct(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if got := transcript(b.requests()[0].Messages()); got != "s:Be brief. u:q9 a:a9 u:q" {
		t.Errorf("the model saw %s", got)
	}
}

// The request for a summary is one of its own, within the call that it came after: hooks see it, and can stop it.
func TestPruningSummaryIsANestedRequest(t *testing.T) {
	t.Parallel()
	rec, b := &recorder{}, script(answer("a"), answer("short"))
	s := start(t, session.WithBackend(b), session.WithSetup(rec.register),
		session.WithHistory(chat(0).Append(said(stages.RoleUser, strings.Repeat("tide ", 40)), said(stages.RoleAssistant, "a1"))),
		session.WithPruning(session.Summarize{TokenLimit: 20, Prompt: "In a word:", Options: stages.ModelOptions{MaxTokens: stages.Some(7)}}))
	res, err := s.Instruct(t.Context(), "q")
	if err != nil {
		t.Fatal(err)
	}
	g := last[*stages.Generation](t, rec, "generation_post_call")
	if g.Meta().ParentRequestID != res.RequestID || g.ModelOptions().MaxTokens.Or(0) != 7 || g.Output().Text != "short" {
		t.Errorf("%+v", g)
	}
	if text := g.Messages().At(0).Text; !strings.HasPrefix(text, "In a word:\n\nuser: tide tide") || !strings.HasSuffix(text, "\nassistant: a1") {
		t.Errorf("asked %q", text)
	}
	if got := s.Totals().Generations; got != 2 {
		t.Errorf("%d generations", got)
	}
	use(t, s.Pipeline().Generation, chain.Before("no", blocking[*stages.Generation]))
	if _, err := s.Instruct(t.Context(), "q"); err == nil {
		t.Error("the block has no effect")
	}
}

// A hook of the summary's own generation that talks in the session does not wait for the pruning that it is part of.
func TestPruningFromInside(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register), session.WithPruning(
		prunerFunc(func(ctx context.Context, p session.Past) (session.Cut, error) {
			if len(p.Turns) == 2 {
				if _, err := stages.From(ctx).Generate(ctx, []stages.Message{said(stages.RoleUser, "ask")}, stages.ModelOptions{}); err != nil {
					return session.Cut{}, err
				}
			}
			return session.KeepTurns(1).Prune(ctx, p)
		})))
	use(t, s.Pipeline().Generation, chain.After("talk", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		if g.Output().Text == "ask" {
			_, err := s.Instruct(ctx, "inside")
			return g, err
		}
		return g, nil
	}))
	for _, text := range []string{"one", "two"} {
		if _, err := s.Instruct(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	if got := transcript(s.History().Messages()); got != "u:two a:two u:inside a:inside" || len(pruned(rec)) != 1 {
		t.Errorf("got %s, %v", got, rec.names())
	}
}

// What was asked and answered meanwhile comes after what pruning has left, and a reset meanwhile wins.
func TestPruningWhileOthersTalk(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(ctx context.Context, s *session.Session) error{
		"u:one a:one u:two a:two": func(ctx context.Context, s *session.Session) error {
			_, err := s.Instruct(ctx, "two")
			return err
		},
		"": func(ctx context.Context, s *session.Session) error { return s.Reset(ctx, "") },
	} {
		var s *session.Session
		once := sync.OnceValue(func() error { return meanwhile(t.Context(), s) }) // with a ctx that says nothing of the pruning
		s = start(t, session.WithBackend(echo()), session.WithPruning(prunerFunc(func(_ context.Context, p session.Past) (session.Cut, error) {
			if len(p.Turns) < 3 || p.Turns[0][0].Text != "q1" {
				return session.Cut{}, nil
			}
			return session.Cut{Turns: 2}, once()
		})))
		for i, q := range []string{"q1", "q2", "one"} {
			if _, err := s.Instruct(t.Context(), q); err != nil {
				t.Fatal(i, err)
			}
		}
		if got := transcript(s.History().Messages()); got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
}

// Whatever a history looks like and whatever a Pruner wants: the system messages at the start and the newest turn stay, what
// stays is a suffix, a call and its result are never separated, and what was removed and what is left make up the whole.
func TestPruningOfAnyHistory(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		h, rec := randomHistory(r), &recorder{}
		start(t, session.WithBackend(echo()), session.WithHistory(h), session.WithSetup(rec.register),
			session.WithPruning(prunerFunc(func(context.Context, session.Past) (session.Cut, error) {
				return session.Cut{Turns: r.IntN(5) - 1}, nil
			})))
		for _, c := range pruned(rec) {
			head := slices.IndexFunc(h.Messages().Slice(), func(m stages.Message) bool { return m.Role != stages.RoleSystem })
			left := c.Resulting().Messages().Slice()
			whole := slices.Concat(left[:head], c.Removed().Slice(), left[head:])
			if !slices.EqualFunc(whole, h.Messages().Slice(), stages.Message.Equal) || len(left) == head {
				t.Fatalf("seed %d: %s became %s", seed, transcript(h.Messages()), transcript(c.Resulting().Messages()))
			}
			made := map[string]bool{}
			for _, m := range c.Removed().All() {
				for _, call := range m.ToolCalls.All() {
					made[call.ID] = true
				}
			}
			for _, m := range left {
				if m.Role == stages.RoleTool && made[m.ToolCallID] {
					t.Fatalf("seed %d: the result of %s lost its call", seed, m.ToolCallID)
				}
			}
			if c.TokensFreed() != h.Tokens()-c.Resulting().Tokens() || c.TokensFreed() <= 0 {
				t.Fatalf("seed %d: freed %d tokens", seed, c.TokensFreed())
			}
		}
	}
}

// randomHistory has calls whose results come late, or never, or twice.
func randomHistory(r *rand.Rand) (h stages.History) {
	for range r.IntN(3) {
		h = h.Append(said(stages.RoleSystem, "system"))
	}
	var calls []string
	for i := range r.IntN(24) {
		m := stages.Message{Role: []stages.Role{stages.RoleSystem, stages.RoleUser, stages.RoleAssistant, stages.RoleTool}[r.IntN(4)], Text: fmt.Sprint(i)}
		switch {
		case m.Role == stages.RoleAssistant && r.IntN(2) == 0:
			id := fmt.Sprint("call-", i)
			calls = append(calls, id)
			m.ToolCalls = stages.ListOf(stages.ToolCall{ID: id, Name: "tide"})
		case m.Role == stages.RoleTool && len(calls) > 0:
			m.ToolCallID = calls[r.IntN(len(calls))]
		}
		h = h.Append(m)
	}
	return h
}

// 64 goroutines in a session that keeps little: every turn is in the history or was told of as removed, once and whole.
func TestPruningLosesNoTurn(t *testing.T) {
	t.Parallel()
	const goroutines, each, kept = 64, 4, 5
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register), session.WithPruning(session.KeepTurns(kept)))
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for j := range each {
				if _, err := s.Instruct(t.Context(), fmt.Sprintf("call %d/%d", i, j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	left := s.History().Messages()
	if left.Len() != 2*kept {
		t.Errorf("%d messages are left, want %d", left.Len(), 2*kept)
	}
	seen := map[string]int{}
	for _, messages := range append([]stages.List[stages.Message]{left}, removedBy(pruned(rec))...) {
		for i := 0; i+1 < messages.Len(); i += 2 {
			if messages.At(i).Text != messages.At(i+1).Text {
				t.Errorf("a turn is torn apart: %q, %q", messages.At(i).Text, messages.At(i+1).Text)
			}
			seen[messages.At(i).Text]++
		}
	}
	if len(seen) != goroutines*each {
		t.Errorf("%d turns, want %d", len(seen), goroutines*each)
	}
	for text, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", text, n)
		}
	}
}

func removedBy(changes []*stages.HistoryChange) (out []stages.List[stages.Message]) {
	for _, c := range changes {
		out = append(out, c.Removed())
	}
	return out
}

// What came while a call pruned is pruned by that call.
func TestPruningSeesWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	var s *session.Session
	once := sync.OnceValue(func() error {
		_, err := s.Instruct(t.Context(), "two")
		return err
	})
	s = start(t, session.WithBackend(echo()), session.WithHistory(chat(1)),
		session.WithPruning(prunerFunc(func(ctx context.Context, p session.Past) (session.Cut, error) {
			if err := once(); err != nil {
				return session.Cut{}, err
			}
			return session.KeepTurns(1).Prune(ctx, p)
		})))
	if _, err := s.Instruct(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if got := transcript(s.History().Messages()); got != "s:Be brief. u:two a:two" {
		t.Errorf("got %q", got)
	}
}
