package stages

import (
	"slices"

	"github.com/maillon-go/maillon/chain"
)

// spec is what the generic code knows of a payload: where its fields are. Which of them a link may write is not said
// here but in the table of hook points.
type spec[S any] struct {
	meta func(*S) *Meta
	done func(*S) *bool // nil for a payload without a result
	// rebuild brings up to date what is kept beside the fields that it is made from.
	rebuild func(*S)
	in, out []field[S] // out are those of the result
}

// field is one field of a payload. A derived one is computed from others when it is read, so there is nothing to compare.
type field[S any] struct {
	name string
	same func(a, b *S) bool
	copy func(dst, src *S)
}

// by is a field that same compares. It may find a difference where there is none, never the reverse.
func by[S, T any](name string, ref func(*S) *T, same func(a, b T) bool) field[S] {
	return field[S]{
		name: name,
		same: func(a, b *S) bool { return same(*ref(a), *ref(b)) },
		copy: func(dst, src *S) { *ref(dst) = *ref(src) },
	}
}

// value is a field of a type for which == never panics.
func value[S any, T comparable](name string, ref func(*S) *T) field[S] { return by(name, ref, same[T]) }

func derived[S any](name string) field[S] { return field[S]{name: name} }

func (f field[S]) derived() bool { return f.same == nil }

// rule is a field with what the table says of it.
type rule[S any] struct {
	field[S]
	result   bool
	writable chain.Position // where
}

// policy derives from the table what links of the named chain may do.
func (s spec[S]) policy(name string) chain.Policy[*S] {
	rules := s.rules(name)
	return chain.Policy[*S]{
		Equal: func(a, b *S) bool {
			return !slices.ContainsFunc(rules, func(r rule[S]) bool { return !r.same(a, b) })
		},
		NeverBlocks: neverBlocks(name),
		Rewrite: func(pos chain.Position, old, proposed *S) (*S, []string) {
			return s.rewrite(rules, pos, old, proposed)
		},
	}
}

// limit is the policy for a link that may write these fields only.
func (s spec[S]) limit(name string, fields []string) func(pos chain.Position, old, proposed *S) (*S, []string) {
	rules := s.rules(name)
	for i := range rules {
		if !slices.Contains(fields, rules[i].name) {
			rules[i].writable = 0
		}
	}
	return func(pos chain.Position, old, proposed *S) (*S, []string) { return s.rewrite(rules, pos, old, proposed) }
}

func (s spec[S]) rules(name string) []rule[S] {
	rules := []rule[S]{{field: value("meta", s.meta)}}
	add := func(fields []field[S], result bool) {
		for _, f := range fields {
			if !f.derived() {
				rules = append(rules, rule[S]{f, result, writableAt(name, f.name)})
			}
		}
	}
	add(s.in, false)
	add(s.out, true)
	return rules
}

// rewrite keeps of the proposed payload what a link may write at pos.
func (s spec[S]) rewrite(rules []rule[S], pos chain.Position, old, proposed *S) (kept *S, discarded []string) {
	had, has := s.hasResult(old), s.hasResult(proposed)
	// An Around that answers in the handler's place writes the whole result, once.
	answers := pos == chain.Out && !had && has
	writes := func(r rule[S]) bool {
		if r.result && (!has || answers) {
			return answers
		}
		return r.writable&pos != 0
	}
	var written []int
	for i, r := range rules {
		switch {
		case r.same(old, proposed):
		case writes(r):
			written = append(written, i)
		default:
			discarded = append(discarded, r.name)
		}
	}
	if len(discarded) == 0 && (had == has || answers) {
		return proposed, nil
	}
	c := *old
	for _, i := range written {
		rules[i].copy(&c, proposed)
	}
	if answers {
		*s.done(&c) = true
	}
	if s.rebuild != nil {
		s.rebuild(&c)
	}
	return &c, discarded
}

func (s spec[S]) hasResult(p *S) bool { return s.done != nil && *s.done(p) }

// sameValue compares what is in two interfaces. Values that Go cannot compare count as different.
func sameValue[T any](a, b T) (same bool) {
	defer func() {
		if recover() != nil {
			same = false
		}
	}()
	return any(a) == any(b)
}

func sameOptions(a, b ModelOptions) bool {
	return a.Temperature == b.Temperature && a.TopP == b.TopP && a.MaxTokens == b.MaxTokens && a.Seed == b.Seed &&
		a.Extra == b.Extra && equalLists(same[string])(a.Stop, b.Stop)
}

func sameAttempt(a, b Attempt) bool {
	return sameValue(a.Action, b.Action) && a.Result.Equal(b.Result) && sameList(a.Findings, b.Findings) &&
		sameValue(a.Err, b.Err)
}

func sameTarget(a, b Target) bool {
	return a.Output.Equal(b.Output) && sameValue(a.Action, b.Action) && a.History == b.History && sameList(a.Tools, b.Tools)
}

func sameFailure(a, b Failure) bool {
	return sameValue(a.Err, b.Err) && a.Kind == b.Kind && a.Recoverable == b.Recoverable && a.Stack == b.Stack
}
