package chain

import (
	"slices"
	"sync"
	"time"
)

// DefaultCases is how many differing calls a link in Audit mode keeps; see KeepCases.
const DefaultCases = 16

// Case is one call about which a link in Audit mode would have decided otherwise.
type Case struct {
	Time      time.Time `json:"time"`
	Call      string    `json:"call,omitempty"`      // as Config.Label says
	Candidate string    `json:"candidate"`           // what the link would have done: allow, rewrite, block or "block <code>"
	Incumbent string    `json:"incumbent,omitempty"` // what the link did whose place the candidate is for
	Payload   any       `json:"payload,omitempty"`   // what the link was given, if KeepCases asked for it
}

// cases are the last differing calls of a link, a ring once it is full.
type cases struct {
	mu   sync.Mutex
	max  int
	next int
	kept []Case
}

func (c *cases) add(k Case) {
	k.Time = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.max == 0:
	case len(c.kept) < c.max:
		c.kept = append(c.kept, k)
	default:
		c.kept[c.next] = k
		c.next = (c.next + 1) % c.max
	}
}

// limit keeps the newest n.
func (c *cases) limit(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = c.ordered()
	c.kept = c.kept[max(0, len(c.kept)-n):]
	c.max, c.next = n, 0
}

func (c *cases) list() []Case {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ordered()
}

func (c *cases) ordered() []Case { return slices.Concat(c.kept[c.next:], c.kept[:c.next]) }
