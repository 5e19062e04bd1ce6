// Package stack is a set of plugins as a program in production has them, and the prompts and the model that go with it: what the
// benchmark of a realistic call and the soak run have in common.
package stack

import (
	"errors"
	"fmt"
	"strings"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/contrib/policy"
	"github.com/maillon-go/maillon/contrib/profiler"
)

// Names are the plugins, in the order in which New makes them.
var Names = []string{"policy", "pii", "budget", "cache", "audit", "profiler"}

// Stack are the plugins. Register those wanted; the profiler is a tracer too.
type Stack struct {
	Policy   *policy.Plugin
	PII      *pii.Plugin
	Budget   *budget.Plugin
	Cache    *cache.Plugin
	Audit    *audit.Plugin
	Profiler *profiler.Plugin
}

// New makes them, with an audit that writes to a sink. The cache keeps 4 MB, so that it is full after some thousand answers and stays
// so; the audit's buffer has room for what comes in the second or two that a sink is down, under full load.
func New(sink audit.Sink) (s Stack, err error) {
	var errs [6]error
	s.Policy, errs[0] = policy.New(policy.Settings{Rules: []policy.Rule{
		{Name: "dangerous", Terms: []string{Forbidden, "detonator", "nerve agent", "fissile material", "credit card dump", "zero day", "keylogger", "ransom note"}},
		{Name: "codenames", Terms: []string{"project osprey", "project heron", "black ledger"}, Allow: []string{"the osprey's nest"}},
		{Name: "tickets", Patterns: []string{`\bSEC-\d{4,8}\b`, `\bINC[0-9]{7}\b`}, Window: 16},
	}})
	s.PII, errs[1] = pii.New(pii.Settings{})
	s.Budget, errs[2] = budget.New(budget.Settings{Limits: []budget.Limit{
		{Name: "all", Tokens: 1e15}, {Name: "user", Per: []budget.Dimension{budget.PerUser}, Tokens: 1e15},
	}})
	s.Cache, errs[3] = cache.New(cache.Settings{MaxBytes: 4 << 20, Sampled: true})
	s.Audit, errs[4] = audit.New(audit.Settings{Sink: sink, SkipAllowed: []string{SkipAllowed}, Buffer: 256 << 20})
	s.Profiler, errs[5] = profiler.New(profiler.Settings{})
	return s, errors.Join(errs[:]...)
}

// Plugins are those of the names, all of them without any.
func (s Stack) Plugins(names ...string) (out []any) {
	all := []any{s.Policy, s.PII, s.Budget, s.Cache, s.Audit, s.Profiler}
	if len(names) == 0 {
		return all
	}
	for i, name := range Names {
		for _, want := range names {
			if name == want {
				out = append(out, all[i])
			}
		}
	}
	return out
}

// Tracer is the profiler as one.
func (s Stack) Tracer() chain.Tracer { return s.Profiler }

// SkipAllowed is the stage whose allowed outcomes the audit does not record.
const SkipAllowed = "chunk"

// Forbidden is a term that the policy blocks.
const Forbidden = "dynamite"

// Model is the name of the model. Without one nothing is cached.
const Model = "harbour-7b"

// Prompt is about 2 KB of prose with an address in it. Another number makes another prompt, which no cache has seen.
func Prompt(n int) string { return fmt.Sprintf("Request %d.\n%s", n, prose) }

var prose = strings.Repeat(`The pilot boat leaves the north quay at six, when the tide still runs out and the wind has not yet come round to the west.
Two ships wait in the roads; the larger one draws nine metres, and has asked for a berth beside the grain store until Thursday.
Her agent writes that the papers are in order, and that questions should go to office@harbour.example before noon.
Please draft an answer that says when she can come in, which berth she has, and what the tug costs for the two hours it will take.
`, 4) + "Keep it short, and be friendly: they have waited since yesterday."

// Answer is what the model says.
const Answer = "High water is at 06:40, so she can come in at six with the pilot. Berth 4 beside the grain store is free until Thursday. The tug is 840 for two hours. " +
	"We are sorry for the wait, and will have the linesmen ready. Call the harbour office on channel 12 when you pass the breakwater."
