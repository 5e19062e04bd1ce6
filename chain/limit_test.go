package chain

import (
	"context"
	"strings"
	"testing"
)

// A limit takes away what the chain's policy would let stand, at every side of a link.
func TestLimit(t *testing.T) {
	never := func(_ Position, old, _ *payload) (*payload, []string) { return old, []string{"text"} }
	upper := func(_ Position, _, p *payload) (*payload, []string) {
		return &payload{text: strings.ToUpper(p.text)}, nil
	}
	rewriting := func(next Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) {
			p, err := next(ctx, &payload{text: p.text + "i"})
			if err != nil {
				return nil, err
			}
			return &payload{text: p.text + "o"}, nil
		}
	}
	for _, tc := range []struct {
		name      string
		link      Link[*payload]
		want      string
		discarded int64
	}{
		{"hook without a limit", Before("x", add("x")), "px", 0},
		{"hook", Before("x", add("x")).Limit(never), "p", 1},
		{"After", After("x", add("x")).Limit(never), "p", 1},
		{"two limits, the later one on what the earlier one kept", Before("x", add("x")).Limit(upper).Limit(never), "p", 1},
		{"a limit may rewrite", Before("x", add("x")).Limit(nil).Limit(upper), "PX", 0},
		{"Around, both sides", Around("x", rewriting).Limit(never), "p", 2},
		{"Around that fails open", Around("x", rewriting, OnFailure(Ignore)).Limit(never), "p", 2},
		{"Around without a limit", Around("x", rewriting), "pio", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t, tc.link)
			out, err := c.Then(nop)(bg, &payload{text: "p"})
			must(t, err)
			eq(t, "text", out.text, tc.want)
			st, _ := c.Stats().Link("x")
			eq(t, "discarded", st.Discarded, tc.discarded)
		})
	}
	t.Run("after the chain's policy", func(t *testing.T) {
		var asked []string
		c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: upper}},
			Before("x", add("x")).Limit(func(_ Position, old, p *payload) (*payload, []string) {
				asked = append(asked, old.text+">"+p.text)
				return p, nil
			}))
		out, err := c.Then(nop)(bg, &payload{text: "p"})
		must(t, err)
		eq(t, "text", out.text, "PX")
		eq(t, "asked", strings.Join(asked, " "), "p>PX")
	})
}

func TestWith(t *testing.T) {
	base := Before("x", nop, RunsAfter("a"))
	l := base.With(Priority(7), nil, RunsAfter("b"), InMode(Audit))
	eq(t, "priority", l.priority, 7)
	eq(t, "mode", l.mode, Audit)
	eq(t, "after", strings.Join(l.after, ","), "a,b")
	eq(t, "the old one", base.priority, DefaultPriority)
	eq(t, "the old one's constraints", strings.Join(base.after, ","), "a")
	n := 0
	counting := Around("n", func(next Handler[*payload]) Handler[*payload] { n++; return next })
	c := New[*payload]("t")
	must(t, c.Reload(counting))
	h := c.Then(nop)
	must(t, c.Reload(counting.With(Priority(3))))
	_, err := h(bg, &payload{})
	must(t, err)
	eq(t, "applied", n, 1)
}
