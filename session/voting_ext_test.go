package session_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// mostVotes is the model of a vote: the first of the answers that pass and that as many agree with as with any.
func mostVotes(attempts []stages.Attempt) (winner string, ok bool) {
	most := 0
	for _, a := range attempts {
		votes := 0
		for _, b := range attempts {
			if b.Passed() && strings.EqualFold(a.Result.Text, b.Result.Text) {
				votes++
			}
		}
		if a.Passed() && votes > most {
			most, winner, ok = votes, a.Result.Text, true
		}
	}
	return winner, ok
}

// inOrder gives the answers in the order in which it is asked.
func inOrder(answers []string) session.Backend {
	var mu sync.Mutex
	n := 0
	return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: answers[n-1]}}), nil
	})
}

// Random ballots give what the model gives. Capital letters agree with small ones, answers with an x do not pass.
func TestMajorityVotingIsAVote(t *testing.T) {
	t.Parallel()
	none := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test
		answers := make([]string, 1+r.IntN(9))
		for i := range answers {
			answers[i] = string("aAbBcx"[r.IntN(6)])
		}
		p := stages.NewPipeline(stages.PipelineConfig{})
		s, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(inOrder(answers)))
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Instruct(t.Context(), "Choose.", session.Using(session.MajorityVoting{Samples: len(answers)}),
			session.Require(session.Check("No x.", func(text string) (bool, string) { return text != "x", "" })))
		if err != nil || res.Attempts.Len() != len(answers) {
			t.Fatalf("seed %d: got %+v, %v", seed, res, err)
		}
		want, ok := mostVotes(res.Attempts.Slice())
		if res.Success != ok || ok && res.Text() != want {
			t.Errorf("seed %d: %v elected %q (%v), want %q (%v)", seed, answers, res.Text(), res.Success, want, ok)
		}
		if !ok {
			none++
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if none == 0 {
		t.Error("no ballot without a winner")
	}
}

// What counts as the same answer.
func TestVotesAgree(t *testing.T) {
	t.Parallel()
	number := func(o stages.Output) string {
		return strings.Trim(o.Text, "abcdefghijklmnopqrstuvwxyz ")
	}
	for _, tc := range []struct {
		name    string
		key     func(stages.Output) string
		answers []string
		want    int
	}{
		{"case", nil, []string{"no", "Yes", "YES"}, 1},
		{"white space", nil, []string{"no", "at  noon", " at\nnoon "}, 1},
		{"punctuation around it", nil, []string{"no", "“At noon.”", "at noon"}, 1},
		{"a sign that is part of it", nil, []string{"C", "C#", "C#."}, 1},
		{"a unit", nil, []string{"5", "5%", "5%"}, 1},
		{"punctuation inside", nil, []string{"no", "1.5", "15"}, 0},
		{"a tie", nil, []string{"b", "a", "a", "b"}, 0},
		{"a key", number, []string{"no", "it is 12", "maybe", "12 i think"}, 0}, // "no" and "maybe" agree: both have none
		{"a key and more votes", number, []string{"no", "it is 12", "12 i think"}, 1},
		{"one", nil, []string{"no"}, 0},
		{"a sign", nil, []string{"5", "-5", "-5."}, 1},
		{"JSON: the order of keys", nil, []string{`{"a":2}`, `{"a":1,"b":[true,null]}`, `{"b": [true,null], "a": 1}`}, 1},
		{"JSON: the order of items", nil, []string{`[1,2]`, `[2,1]`, `[2, 1]`}, 1},
		{"JSON: a fence", nil, []string{`{"a":2}`, "```json\n{\"a\": 1}\n```", `{"a":1}`}, 1},
		{"JSON: how numbers are written", nil, []string{`{"a":2}`, `{"a":1.0}`, `{"a":10e-1}`, `{"a":2}`, `{"a":1}`}, 1},
		{"JSON: numbers that are no float", nil, []string{`[12345678901234567890]`, `[12345678901234567891]`, `[12345678901234567891]`}, 1},
		{"JSON: escapes and case", nil, []string{`{"a":"no"}`, `{"a":"Caf\u00e9  noir"}`, `{"a":"café noir"}`}, 1},
		{"JSON: punctuation in a value", nil, []string{`{"a":"b"}`, `{"a":"b."}`, `{"a":"b."}`}, 1},
		{"JSON with more behind it", nil, []string{`{"a":1}`, `{"a":1} {"b":1}`, `{"a":1} {"b":1}`}, 1},
		{"empty answers", nil, []string{"yes", "", "..."}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var passed []stages.Attempt
			for _, a := range tc.answers {
				passed = append(passed, stages.Attempt{Result: stages.Output{Text: a}})
			}
			if got := (session.MajorityVoting{Key: tc.key}).Choose(passed); got != tc.want {
				t.Errorf("elected %q, want %q", tc.answers[got], tc.answers[tc.want])
			}
		})
	}
}

// All samples are in flight at once, and an error of one of them costs its vote and nothing else.
func TestVotingWaitsForAllSamples(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	b := gather(says("yes, a"), refuses(errDown), says("yes, b"), says("no"), says("yes, b"))
	s := start(t, session.WithBackend(b), session.WithSetup(rec.register))
	res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")), session.Using(session.MajorityVoting{Samples: 5}))
	if err != nil || !res.Success || res.Text() != "yes, b" || res.Attempts.Len() != 5 {
		t.Errorf("got %+v, %v", res, err)
	}
	if end := last[*stages.Sampling](t, rec, "sampling_loop_end"); end.FinalResult().Text != "yes, b" || end.Iterations() != 5 {
		t.Errorf("sampling_loop_end got %+v", end)
	}
	if got := texts(s.History()); len(got) != 2 || got[1] != "assistant: yes, b" {
		t.Errorf("history %q", got)
	}
}

// Where no sample passes there is another round; a key that panics is an error of the call.
func TestVotingRounds(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(inOrder([]string{"no", "no", "yes", "no"})))
	res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
		session.Using(session.MajorityVoting{Samples: 2, LoopBudget: 3}))
	if err != nil || !res.Success || res.Text() != "yes" || res.Attempts.Len() != 4 {
		t.Errorf("got %+v, %v", res, err)
	}
	s = start(t, session.WithBackend(echo()))
	if res, err := s.Instruct(t.Context(), "x", session.Using(session.MajorityVoting{
		Samples: 2, Key: func(stages.Output) string { panic("no key") },
	})); err == nil || !strings.Contains(fmt.Sprint(err), "no key") {
		t.Errorf("got %+v, %v", res, err)
	}
}

// Answers to a slot vote as values.
func TestSlotsVote(t *testing.T) {
	t.Parallel()
	type tide struct {
		High string `json:"high"`
		Feet int    `json:"feet"`
	}
	when := session.NewSlot[string, tide]("tide", "When is the tide?")
	s := start(t, session.WithBackend(inOrder([]string{
		`{"high":"18:55","feet":2}`, `{"high":"06:40","feet":3}`, `{ "feet": 3, "high": "06:40" }`,
	})))
	got, err := when.Call(t.Context(), s, "today", session.Using(session.MajorityVoting{Samples: 3}))
	if want := (tide{"06:40", 3}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}
