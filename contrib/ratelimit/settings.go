package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// What has a limit of its own. PerLabel is followed by the label's name, "label:tenant".
const (
	PerUser    = "user"
	PerSession = "session"
	PerModel   = "model" // a backend's, by name
	PerAll     = "all"   // one limit for everybody
	PerLabel   = "label:"
)

// What Settings leaves open.
const (
	DefaultWindow  = time.Minute
	DefaultMaxKeys = 100_000
)

// Settings of a Plugin. One of Requests and Tokens has to be there.
type Settings struct {
	// Per says what has a limit of its own: PerUser (the default), PerSession, PerModel, PerAll or PerLabel and a name. Calls
	// that lack the user, the session or the label have one limit together.
	Per string `yaml:"per"`
	// Requests and Tokens may be used in each Window, evenly; 0 is no limit.
	Requests int           `yaml:"requests"`
	Tokens   int           `yaml:"tokens"`
	Window   time.Duration `yaml:"window"`
	// RequestBurst and TokenBurst may be used at once after a pause; 0 is what a whole window allows.
	RequestBurst int `yaml:"request_burst"`
	TokenBurst   int `yaml:"token_burst"`
	// MaxWait is how long a call waits for its turn; with 0 it is refused at once.
	MaxWait time.Duration `yaml:"max_wait"`
	// MaxKeys is how many users, say, are remembered. Beyond it the one who was not there for longest begins anew.
	MaxKeys int `yaml:"max_keys"`

	// Key says, in the place of Per, what the limit of a call is shared by; false: the call has none. It is called
	// concurrently.
	Key func(ctx context.Context, g *stages.Generation) (key string, limited bool) `yaml:"-"`
	// Estimate is how many tokens a call will take; nil is Estimate. It is called concurrently.
	Estimate func(g *stages.Generation) int `yaml:"-"`
}

// checked are the settings with what was left open, or all that is wrong with them.
func (s Settings) checked() (Settings, error) {
	var errs []error
	wrong := func(format string, a ...any) { errs = append(errs, fmt.Errorf("ratelimit: "+format, a...)) }
	s.Per = or(s.Per, PerUser)
	switch label, is := strings.CutPrefix(s.Per, PerLabel); {
	case is && label == "":
		wrong("per %q lacks the label's name, as in label:tenant", s.Per)
	case !is && s.Per != PerUser && s.Per != PerSession && s.Per != PerModel && s.Per != PerAll:
		wrong("per %q: use user, session, model, all or label: and the name of a label", s.Per)
	}
	if s.Requests == 0 && s.Tokens == 0 {
		wrong("nothing is limited: set requests, tokens or both")
	}
	for _, n := range []struct {
		name string
		n    int
	}{
		{"requests", s.Requests},
		{"tokens", s.Tokens},
		{"request_burst", s.RequestBurst},
		{"token_burst", s.TokenBurst},
		{"max_keys", s.MaxKeys},
		{"window", int(s.Window)},
		{"max_wait", int(s.MaxWait)},
	} {
		if n.n < 0 {
			wrong("%s is below 0", n.name)
		}
	}
	for _, b := range []struct {
		name         string
		burst, limit int
	}{{"request", s.RequestBurst, s.Requests}, {"token", s.TokenBurst, s.Tokens}} {
		if b.burst > 0 && b.limit == 0 {
			wrong("%s_burst without %ss limits nothing", b.name, b.name)
		}
	}
	s.Window, s.MaxKeys = or(s.Window, DefaultWindow), or(s.MaxKeys, DefaultMaxKeys)
	s.RequestBurst, s.TokenBurst = or(s.RequestBurst, s.Requests), or(s.TokenBurst, s.Tokens)
	if s.Estimate == nil {
		s.Estimate = Estimate
	}
	return s, errors.Join(errs...)
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Estimate is what a call may take: its messages and tools by the rule of stages.Message.Tokens, and as many as the answer
// may have where max_tokens says it. It is rough; what was wrong is made good when the usage is known.
func Estimate(g *stages.Generation) int {
	n := g.ModelOptions().MaxTokens.Or(0)
	for _, m := range g.Messages().All() {
		n += m.Tokens()
	}
	for _, t := range g.Tools().All() {
		n += (len(t.Name) + len(t.Description) + len(t.Parameters) + 3) / 4
	}
	return n
}

// key is what the limit of a call is shared by.
func (p *Plugin) key(ctx context.Context, g *stages.Generation) (string, bool) {
	m := g.Meta()
	label, byLabel := strings.CutPrefix(p.set.Per, PerLabel)
	switch {
	case p.set.Key != nil:
		return p.set.Key(ctx, g)
	case byLabel:
		v, _ := m.Labels.Get(label)
		return v, true
	case p.set.Per == PerUser:
		return m.UserID, true
	case p.set.Per == PerSession:
		return m.SessionID, true
	case p.set.Per == PerModel:
		return fmt.Sprintf("%q %q", g.Backend().Name, g.Backend().Model), true
	}
	return "", true
}
