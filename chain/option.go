package chain

import (
	"maps"
	"time"

	"github.com/sony/gobreaker/v2"
)

// DefaultPriority is the priority of a link that names none.
const DefaultPriority = 50

// Option sets something about a link. A nil Option is skipped.
type Option interface{ apply(*settings) }

type option func(*settings)

func (f option) apply(s *settings) { f(s) }

func newSettings(name string, k Kind, opts []Option) settings {
	s := settings{name: name, kind: k, priority: DefaultPriority, cases: DefaultCases}
	for _, o := range opts {
		if o != nil {
			o.apply(&s)
		}
	}
	return s
}

// Priority orders links of one ring and phase: lower first, default 50.
func Priority(n int) Option { return option(func(s *settings) { s.priority = n }) }

// InMode sets the mode; without it a link is Sequential.
func InMode(m Mode) Option { return option(func(s *settings) { s.mode = m }) }

// Outer puts an Around outside all hooks: it can skip them, and it sees their blocks.
func Outer() Option { return option(func(s *settings) { s.outer = true }) }

// OnFailure sets what the link's failure does to the call.
func OnFailure(f Failure) Option {
	return option(func(s *settings) { s.failure, s.failureYields = f, false })
}

// Timeout is a hard bound on a hook or an observer: it runs on a goroutine of its own, its context expires after d, and
// when it is not back by then it is abandoned and its late result dropped. Zero means none.
func Timeout(d time.Duration) Option { return option(func(s *settings) { s.timeout = d }) }

// DefaultTimeout is Timeout for a hook or an observer that has none; an Around is left alone.
func DefaultTimeout(d time.Duration) Option {
	return option(func(s *settings) {
		if s.kind != KindAround && s.timeout == 0 {
			s.timeout = d
		}
	})
}

// RunsBefore puts the link before the named ones. It decides between links of one ring, phase and priority; a name that
// is not there has no effect.
func RunsBefore(names ...string) Option {
	return option(func(s *settings) { s.before = append(s.before, names...) })
}

// RunsAfter puts the link after the named ones; see RunsBefore.
func RunsAfter(names ...string) Option {
	return option(func(s *settings) { s.after = append(s.after, names...) })
}

// Breaker sets the link's circuit breaker; without it gobreaker's defaults hold (open after 6 consecutive failures, for a
// minute). A ReadyToTrip, an Interval or a BucketPeriod makes every call of the link go through the breaker; prefer
// TripAfter. Name is replaced by chain/link. IsSuccessful and IsExcluded are asked only about errors that are the link's
// own. Callbacks run outside the breaker's lock, but for ReadyToTrip, which may still ask the chain for its state.
func Breaker(st gobreaker.Settings) Option { return option(func(s *settings) { s.breaker = st }) }

// TripAfter opens the link's breaker after n consecutive failures (0: after 6, as gobreaker does).
func TripAfter(n uint32) Option { return option(func(s *settings) { s.tripAfter = n }) }

// Timed makes the chain measure Outcome.Duration: two clock reads a call.
func Timed() Option { return option(func(s *settings) { s.timed = true }) }

// CandidateFor makes a Before or After hook in Audit mode the candidate for the place of another hook of its kind: it is
// asked about the very payload that the named link gets, also where that one then blocks, and Stats counts the calls about
// which the two disagree. It has an effect while the candidate is in Audit mode and the named link is there in Sequential
// mode; else the candidate is a link like any other.
func CandidateFor(name string) Option {
	return option(func(s *settings) { s.candidateFor = name })
}

// KeepCases sets how many of the last differing calls of a link in Audit mode are kept for Stats: those that it would have
// blocked or rewritten, or, for a candidate, about which it disagrees. The default is DefaultCases; 0 keeps none. With
// payloads the case has what the link was given too, else nothing of the contents is kept.
func KeepCases(n int, payloads bool) Option {
	return option(func(s *settings) { s.cases, s.casePayloads = max(n, 0), payloads })
}

// Note is shown beside the link by Explain.
func Note(text string) Option { return option(func(s *settings) { s.notes = append(s.notes, text) }) }

// Mark puts a number on the link under a name, for a runtime that asks its links what they can do; a later one under the
// same name replaces it. The engine gives it no meaning of its own: Explain shows it.
func Mark(name string, n int) Option {
	return option(func(s *settings) {
		marks := maps.Clone(s.marks)
		if marks == nil {
			marks = map[string]int{}
		}
		marks[name] = n
		s.marks = marks
	})
}

// Counted makes Stats count the link's calls exactly, at the price of an atomic addition on the guarded path.
func Counted() Option { return option(func(s *settings) { s.counted = true }) }
