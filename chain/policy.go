package chain

// Position says at which side of the handler a payload is: on its way in or on its way out. As a set it is the union.
type Position uint8

// The two positions. Before hooks and what an Around passes to next are at In; After hooks and what an Around returns
// are at Out.
const (
	In Position = 1 << iota
	Out
)

func (p Position) String() string {
	switch p {
	case In:
		return "in"
	case Out:
		return "out"
	case In | Out:
		return "in|out"
	}
	return "none"
}

// Policy limits what links may do at a position. The zero value allows everything. Its functions are called
// concurrently.
type Policy[P any] struct {
	// Rewrite is asked when a link returned, or passed on, another payload than the one it got. It returns the payload
	// to go on with, normally the old one with the writable fields of the new one, and the names of the changes that it
	// threw away. Nil lets every rewrite stand. Neither argument is nil.
	Rewrite func(pos Position, old, proposed P) (kept P, discarded []string)

	// Equal says whether two rewrites of a payload come to the same, for the count of disagreements. Nil compares with ==.
	Equal func(a, b P) bool

	// NeverBlocks are the positions at which no link can stop the call: a block is recorded as a would-block, and Fail
	// acts as Ignore.
	NeverBlocks Position
}
