package chain

import "testing"

// A constraint moves the link that carries it and no other.
func TestOnlyTheCarrierMoves(t *testing.T) {
	c := newChain(t, Before("a", nop), Before("b", nop), Before("c", nop))
	_, err := c.Use(Before("x", nop, RunsBefore("b")), Before("y", nop, RunsBefore("x")), Before("z", nop, RunsAfter("a"), Priority(50)))
	must(t, err)
	s := ""
	for _, l := range c.Explain().Links {
		s += l.Name
	}
	eq(t, "order", s, "ayxbcz")
}
