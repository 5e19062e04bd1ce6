package session

import (
	"errors"
	"fmt"
)

// Errors of a session. What a link of a chain decides arrives as a *chain.Violation or *chain.LinkError, and what the
// backend returns stays reachable with errors.Is and errors.As.
var (
	// ErrNoBackend means that Start got no backend.
	ErrNoBackend = errors.New("session: no backend: give one with WithBackend")
	// ErrClosed means that the session is closed, or was closed before the call could finish.
	ErrClosed = errors.New("session: closed")
	// ErrNoOutput means that there is no answer yet to validate.
	ErrNoOutput = errors.New("session: nothing was generated yet")
	// ErrNoCheck means that a requirement has neither a function to check it with nor a description for a model to judge by.
	ErrNoCheck = errors.New("session: requirement without a check")
	// ErrLoopBudget means a loop budget below 1.
	ErrLoopBudget = errors.New("session: the loop budget must be at least 1")
	// ErrUnknownStrategy means a strategy that the session does not know how to run.
	ErrUnknownStrategy = errors.New("session: unknown strategy")
	// ErrToolRounds means that the model kept asking for tools; see MaxToolRounds.
	ErrToolRounds = errors.New("session: too many rounds of tool calls")
	// ErrNoAnswer means that a backend returned neither an output nor an error: it has to return g.Done(...).
	ErrNoAnswer = errors.New("session: the backend gave no answer")
	// ErrNoResult means that a link answered in the place of a stage, without calling what it wraps, and returned the payload
	// as it was: it has to return p.Done(...).
	ErrNoResult = errors.New("session: a link answered without a result")
	// ErrOption means an option that cannot work, such as a callable without a function.
	ErrOption = errors.New("session: invalid option")
)

var errNilContext = fmt.Errorf("%w: nil context", ErrOption)

func noResult(stage string) error { return fmt.Errorf("%w: %s", ErrNoResult, stage) }
