package stages

import (
	"slices"

	"github.com/maillon-go/maillon/chain"
)

// HookPoint is one place in the lifecycle where plugins run. The table of all of them is the source of the chains'
// policies, of docs/hook-points.md and of the names that configuration knows.
type HookPoint struct {
	Name    string // as in configuration: "generation_pre_call"
	Chain   string // the chain's name; in CamelCase the field of Pipeline
	Payload string // the payload's type in this package
	// Position is the kind of link that runs here: before, after, on_error, or observe for points that only report. Where
	// several points share a chain and a position, the payload's method Hook tells which one a call belongs to.
	Position chain.Kind
	When     string // when it fires
	// Carries are the fields that the payload has at this point beside Meta. Those in Derived follow the others.
	Carries []string
	Derived []string
	// Writable are the fields that a rewrite here may change; WithX is the method of the field x.
	Writable []string
	// NeverBlocks says that a block here is recorded, and nothing more.
	NeverBlocks bool
	Block       string // what a block does
}

// HookPoints is the table, in the order in which a session goes through it. The caller owns it.
func HookPoints() []HookPoint {
	out := make([]HookPoint, len(hookPoints))
	for i, h := range hookPoints {
		out[i] = h.clone()
	}
	return out
}

// LookupHook finds a hook point by its name.
func LookupHook(name string) (HookPoint, bool) {
	i := slices.IndexFunc(hookPoints, func(h HookPoint) bool { return h.Name == name })
	if i < 0 {
		return HookPoint{}, false
	}
	return hookPoints[i].clone(), true
}

func (h HookPoint) clone() HookPoint {
	h.Carries, h.Derived, h.Writable = slices.Clone(h.Carries), slices.Clone(h.Derived), slices.Clone(h.Writable)
	return h
}

// sides are the positions of a chain that the hook point speaks for.
func (h HookPoint) sides() chain.Position {
	switch h.Position {
	case chain.KindBefore:
		return chain.In
	case chain.KindAfter:
		return chain.Out
	}
	return 0
}

// writableAt says where links of a chain may write a field.
func writableAt(chainName, field string) (at chain.Position) {
	for _, h := range hookTable {
		if h.Chain == chainName && slices.Contains(h.Writable, field) {
			at |= h.sides()
		}
	}
	return at
}

// neverBlocks says where links of a chain cannot stop it: everywhere, if no hook point of the chain lets them; else where
// its hook points say so.
func neverBlocks(chainName string) (at chain.Position) {
	blocks := false
	for _, h := range hookTable {
		switch {
		case h.Chain != chainName:
		case h.NeverBlocks:
			at |= h.sides()
		case h.sides() != 0:
			blocks = true
		}
	}
	if !blocks {
		return chain.In | chain.Out
	}
	return at
}
