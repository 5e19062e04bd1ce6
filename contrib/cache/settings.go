package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// The scopes: who shares answers. ScopeLabel is followed by the label's name, "label:tenant".
const (
	ScopeUser    = "user"    // one user; calls that name none share within their session
	ScopeSession = "session" // one session
	ScopeShared  = "shared"  // everybody
	ScopeLabel   = "label:"  // all with the same value of a label of the session
)

// What Settings leaves open.
const (
	DefaultTTL      = 10 * time.Minute
	DefaultMaxBytes = 64 << 20
	DefaultMaxWait  = time.Minute
)

// minSecret is how long a secret has to be, in bytes.
const minSecret = 16

// Settings of a Plugin. The zero value keeps answers for DefaultTTL, apart for each user.
type Settings struct {
	// Scope says who shares answers: ScopeUser (the default), ScopeSession, ScopeShared or ScopeLabel and a name. A call
	// that cannot be told apart, since it has no user and no session or lacks the label, is not cached.
	Scope string `yaml:"scope"`
	// TTL is how long an answer is kept.
	TTL time.Duration `yaml:"ttl"`
	// MaxBytes is the room for answers in this process. What is asked for least has to go. It does not bound a Store.
	MaxBytes int64 `yaml:"max_bytes"`
	// Sampled answers from the cache also where a request asks for a temperature above 0 without a seed.
	Sampled bool `yaml:"sampled"`
	// MaxWait is how long a call waits for another one that asks the same.
	MaxWait time.Duration `yaml:"max_wait"`

	// Tenant says, in the place of Scope, whom a call's answer may be shared with; false: it is not cached. It is called
	// concurrently.
	Tenant func(ctx context.Context, g *stages.Generation) (tenant string, ok bool) `yaml:"-"`
	// Store keeps the answers; nil: the memory of this process.
	Store Store `yaml:"-"`
	// Secret is what keys are made with, at least 16 bytes. Processes that share a Store share it; without a Store it is
	// random.
	Secret []byte `yaml:"-"`
}

// checked are the settings with what was left open, or all that is wrong with them.
func (s Settings) checked() (Settings, error) {
	var errs []error
	wrong := func(format string, a ...any) { errs = append(errs, fmt.Errorf("cache: "+format, a...)) }
	s.Scope = or(s.Scope, ScopeUser)
	switch label, is := strings.CutPrefix(s.Scope, ScopeLabel); {
	case is && label == "":
		wrong("scope %q lacks the label's name, as in label:tenant", s.Scope)
	case !is && s.Scope != ScopeUser && s.Scope != ScopeSession && s.Scope != ScopeShared:
		wrong("scope %q: use user, session, shared or label: and the name of a label", s.Scope)
	}
	if s.TTL < 0 {
		wrong("ttl %v: use a duration above 0, or 0 for %v", s.TTL, DefaultTTL)
	}
	if s.MaxBytes < 0 {
		wrong("max_bytes %d: use a number above 0, or 0 for %d", s.MaxBytes, int64(DefaultMaxBytes))
	}
	if s.MaxWait < 0 {
		wrong("max_wait %v: use a duration above 0, or 0 for %v", s.MaxWait, DefaultMaxWait)
	}
	switch {
	case s.Store == nil && s.Secret == nil:
		s.Secret = []byte(rand.Text() + rand.Text())
	case len(s.Secret) < minSecret:
		wrong("Secret has %d bytes: a Store needs one of at least %d, the same in all processes that share it", len(s.Secret), minSecret)
	}
	s.TTL, s.MaxBytes, s.MaxWait = or(s.TTL, DefaultTTL), or(s.MaxBytes, DefaultMaxBytes), or(s.MaxWait, DefaultMaxWait)
	return s, errors.Join(errs...)
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
