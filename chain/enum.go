package chain

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what a link is: where it sits and what it may do.
type Kind uint8

// The kinds of link; see the constructors of the same names.
const (
	KindBefore Kind = iota
	KindAround
	KindAfter
	KindObserve
	KindOnError
	KindOverride
)

// Mode is how the engine runs a link. It belongs to the registration, not to the link's code.
type Mode uint8

// Modes of a hook run phase by phase in this order. An Around takes Sequential, Audit and Disabled; an observer takes
// Sequential (inline), FireAndForget and Disabled.
const (
	Sequential    Mode = iota // inline; may rewrite and block
	Transform                 // inline; may rewrite, a block is recorded only
	Audit                     // inline; rewrites are discarded, a block is recorded only. Around: in shadow
	Concurrent                // in parallel; rewrites are discarded, the first block wins and cancels the others
	FireAndForget             // in the background, on the payload as rewritten so far; cannot rewrite or block
	Disabled                  // not at all
)

// Failure is what the failure of a link (an error that is no violation, a panic, a timeout, an open breaker) does to
// the call. The zero value depends on kind and mode: Fail for Sequential and Concurrent hooks and Arounds, Ignore elsewhere.
type Failure uint8

// The failure policies.
const (
	failureByMode Failure = iota
	Fail                  // closed: the call fails with a *LinkError
	Ignore                // open: the call goes on with the last good payload
	Disable               // open, and the link is off until Chain.Enable
)

// Verdict is how a call ended.
type Verdict uint8

// The verdicts.
const (
	Allowed  Verdict = iota // no error
	Blocked                 // a *Violation
	Failed                  // any other error, a panic, a timeout, an open breaker
	Canceled                // the caller's context was done
)

// Severity grades a violation.
type Severity uint8

// The severities; a block without one is a SeverityError.
const (
	SeverityError Severity = iota
	SeverityInfo
	SeverityWarning
	SeverityCritical
)

// Overflow is what a Dispatcher does with a job when its queue is full.
type Overflow uint8

// The overflow policies.
const (
	BlockWhenFull Overflow = iota // wait for room; when the caller's context ends first, run inline
	DropNewest                    // drop the job and count it
	RunInline                     // run the job on the caller's goroutine
)

var (
	kindNames     = []string{"before", "around", "after", "observe", "on_error", "override"}
	modeNames     = []string{"sequential", "transform", "audit", "concurrent", "fire_and_forget", "disabled"}
	failureNames  = []string{"default", "fail", "ignore", "disable"}
	verdictNames  = []string{"allowed", "blocked", "failed", "canceled"}
	severityNames = []string{"error", "info", "warning", "critical"}
	overflowNames = []string{"block", "drop_newest", "run_inline"}
)

func (k Kind) String() string     { return enumName("kind", kindNames, k) }
func (m Mode) String() string     { return enumName("mode", modeNames, m) }
func (f Failure) String() string  { return enumName("failure", failureNames, f) }
func (v Verdict) String() string  { return enumName("verdict", verdictNames, v) }
func (s Severity) String() string { return enumName("severity", severityNames, s) }
func (o Overflow) String() string { return enumName("overflow", overflowNames, o) }

// MarshalText gives the name that UnmarshalText and configuration files use.
func (k Kind) MarshalText() ([]byte, error)     { return []byte(k.String()), nil }
func (m Mode) MarshalText() ([]byte, error)     { return []byte(m.String()), nil }
func (f Failure) MarshalText() ([]byte, error)  { return []byte(f.String()), nil }
func (v Verdict) MarshalText() ([]byte, error)  { return []byte(v.String()), nil }
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (o Overflow) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads a name; an unknown one is an error that lists the known ones.
func (k *Kind) UnmarshalText(b []byte) error     { return enumParse("kind", kindNames, k, b) }
func (m *Mode) UnmarshalText(b []byte) error     { return enumParse("mode", modeNames, m, b) }
func (f *Failure) UnmarshalText(b []byte) error  { return enumParse("failure", failureNames, f, b) }
func (v *Verdict) UnmarshalText(b []byte) error  { return enumParse("verdict", verdictNames, v, b) }
func (s *Severity) UnmarshalText(b []byte) error { return enumParse("severity", severityNames, s, b) }

func (o *Overflow) UnmarshalText(b []byte) error { return enumParse("overflow", overflowNames, o, b) }

func enumName[E ~uint8](what string, names []string, e E) string {
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("%s(%d)", what, e)
}

func enumParse[E ~uint8](what string, names []string, e *E, text []byte) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("chain: unknown %s %q, want one of %s", what, text, strings.Join(names, ", "))
	}
	*e = E(i)
	return nil
}
