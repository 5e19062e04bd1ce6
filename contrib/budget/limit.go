package budget

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// Dimension is what a limit is counted by.
type Dimension string

// The dimensions. Calls that lack one (no user, say) share a budget.
const (
	// PerRequest is one call of the session with all its attempts, tool rounds and judges. What hooks ask the model meanwhile
	// counts for it too, however deep.
	PerRequest Dimension = "request"
	PerSession Dimension = "session" // without a session: as PerRequest
	PerUser    Dimension = "user"
	PerModel   Dimension = "model" // as the backend names it
)

// Action is what happens to a call that does not fit into a limit.
type Action string

// The actions.
const (
	Block Action = "block" // it is stopped
	// Cap lets it go on with as many output tokens as still fit. It is stopped where these would be fewer than MinOutput.
	Cap  Action = "cap"
	Warn Action = "warn" // it is logged and goes on; such a limit can be exceeded
)

// MinOutput is how many output tokens Cap leaves a call at least, in tokens, unless it asks for fewer itself.
const MinOutput = 16

// Limit is one limit. Tokens or Cost must be given, not both. A call must fit into all limits that are for it.
type Limit struct {
	// Name is unique in the plugin; the account is found by it. By default it is made of what the limit says.
	Name   string        `yaml:"name"`
	Per    []Dimension   `yaml:"per"`    // each combination has a budget of its own; none: one for all
	Model  string        `yaml:"model"`  // a glob for the models that it is for, all by default
	Tokens int64         `yaml:"tokens"` // input and output together
	Cost   Money         `yaml:"cost"`   // by the price table
	Window time.Duration `yaml:"window"` // the budget begins anew each time; 0: never
	Action Action        `yaml:"action"` // default Block
}

// Units of accounts.
const (
	UnitTokens = "tokens"
	UnitCost   = "cost" // millionths of the currency's unit
)

// limit is a Limit ready for use.
type limit struct {
	Limit
	unit   string
	max    int64
	model  *regexp.Regexp
	prefix string // of accounts
}

func newLimit(l Limit) (*limit, error) {
	n := &limit{Limit: l, unit: UnitTokens, max: l.Tokens}
	if l.Cost != 0 {
		n.unit, n.max = UnitCost, int64(l.Cost)
	}
	if n.Action == "" {
		n.Action = Block
	}
	slices.Sort(n.Per)
	if n.Name == "" {
		n.Name = n.describe()
	}
	if l.Model != "" {
		n.model = glob(l.Model)
	}
	n.prefix = strconv.Quote(n.Name) + " " + n.unit
	if l.Window > 0 {
		n.prefix += " " + l.Window.String()
	}
	fault := ""
	switch {
	case (l.Tokens == 0) == (l.Cost == 0):
		fault = "say tokens or cost, one of the two; for both write two limits"
	case n.max < 0 || n.max > maxMoney:
		fault = fmt.Sprintf("the limit must be from 1 to %d", int64(maxMoney))
	case l.Window < 0 || l.Window > 0 && l.Window < time.Second:
		fault = "a window is a second or longer, or 0 for a budget that never begins anew"
	case !slices.Contains([]Action{Block, Cap, Warn}, n.Action):
		fault = fmt.Sprintf("unknown action %q: block, cap or warn", n.Action)
	case len(slices.Compact(slices.Clone(n.Per))) < len(n.Per):
		fault = "a dimension is named twice"
	}
	for _, d := range n.Per {
		if !slices.Contains([]Dimension{PerRequest, PerSession, PerUser, PerModel}, d) {
			fault = fmt.Sprintf("unknown dimension %q: request, session, user or model", d)
		}
	}
	if fault != "" {
		return nil, fmt.Errorf("budget: limit %q: %s", n.Name, fault)
	}
	return n, nil
}

// describe is a name like "tokens per user per 24h0m0s".
func (l *limit) describe() string {
	s := l.unit
	for _, d := range l.Per {
		s += " per " + string(d)
	}
	if l.Model != "" {
		s += " of " + l.Model
	}
	if l.Window > 0 {
		s += " per " + l.Window.String()
	}
	return s
}

// Key names one account: a limit and, of the dimensions that it is counted by, the values.
type Key struct {
	Limit                         string
	Request, Session, User, Model string
}

// keyOf is the Key of a call but for the limit. The request is the outermost one, as far as that is known.
func keyOf(ctx context.Context, g *stages.Generation) Key {
	m := g.Meta()
	k := Key{
		Request: cmp.Or(stages.From(ctx).RootID(), m.ParentRequestID, m.RequestID), Session: m.SessionID, User: m.UserID, Model: modelOf(g),
	}
	if k.Session == "" {
		k.Session = k.Request
	}
	return k
}

// modelOf is what prices and limits go by.
func modelOf(g *stages.Generation) string {
	b := g.Backend()
	if b.Model == "" {
		return b.Name
	}
	return b.Model
}

// account is the name in the store. Values are quoted, so that none can pass for another account.
func (l *limit) account(k *Key) string {
	b := append(make([]byte, 0, 128), l.prefix...)
	for _, d := range l.Per {
		b = append(b, ' ')
		b = append(b, d...)
		b = append(b, '=')
		b = strconv.AppendQuote(b, k.value(d))
	}
	return string(b)
}

func (k *Key) value(d Dimension) string {
	switch d {
	case PerRequest:
		return k.Request
	case PerSession:
		return k.Session
	case PerUser:
		return k.User
	}
	return k.Model
}

// How long accounts that nobody says goodbye to are kept after their last use.
const (
	idleRequest = 10 * time.Minute
	idleSession = 7 * 24 * time.Hour
)

// charge is the limit's part of a reservation.
func (l *limit) charge(k *Key) Charge {
	c := Charge{Key: l.account(k), Limit: l.max, Window: l.Window, Force: l.Action == Warn}
	switch {
	case slices.Contains(l.Per, PerRequest):
		c.Idle, c.Group = idleRequest, requestGroup(k.Request)
	case slices.Contains(l.Per, PerSession):
		c.Idle, c.Group = idleSession, sessionGroup(k.Session)
	}
	return c
}

func requestGroup(id string) string { return "request " + id }
func sessionGroup(id string) string { return "session " + id }

// String is the key as the values that it has.
func (k Key) String() string {
	s := k.Limit
	for _, v := range [][2]string{{"request", k.Request}, {"session", k.Session}, {"user", k.User}, {"model", k.Model}} {
		if v[1] != "" {
			s += " " + v[0] + "=" + strconv.Quote(v[1])
		}
	}
	return strings.TrimSpace(s)
}
