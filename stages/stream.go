package stages

import "time"

// Chunk is a piece of a streamed answer, held back until every link has accepted it. An answer that is not streamed is a
// single one, which is final.
type Chunk struct {
	meta Meta
	in   ChunkFields
}

// ChunkFields is what a Chunk carries from the start.
type ChunkFields struct {
	Text      string        // what this chunk adds, behind what was held back before
	Released  string        // what precedes it, as the links left it
	Index     int           // from 0
	Final     bool          // whether it is the last one
	SinceLast time.Duration // since the chunk before it
	HoldBack  int           // runes at the end of what the links make of it that are not released yet; 0 in a final one
}

// NewChunk makes the payload of one call.
func NewChunk(m Meta, f ChunkFields) *Chunk { return &Chunk{meta: m.versioned(), in: f} }

// Meta says which call this is.
func (c *Chunk) Meta() Meta { return c.meta }

// Text is what this chunk adds to the answer, and before that what was held back of the chunks before it (see HoldBack), as
// the backend gave it.
func (c *Chunk) Text() string { return c.in.Text }

// WithText gives a copy with another text.
func (c *Chunk) WithText(v string) *Chunk {
	n := *c
	n.in.Text = v
	return &n
}

// Released is the answer's text before that, as the links have left it; no link can take it back or change it. The reader
// has got it, unless the stream is buffered.
func (c *Chunk) Released() string { return c.in.Released }

// Index is the number of the chunk, from 0.
func (c *Chunk) Index() int { return c.in.Index }

// Final says whether this is the last chunk.
func (c *Chunk) Final() bool { return c.in.Final }

// SinceLast is the time since the chunk before this one.
func (c *Chunk) SinceLast() time.Duration { return c.in.SinceLast }

// HoldBack is how many runes, at the end of what the links make of this chunk, are not released with it: all that the links of the
// chunk stage ask for together (see the option HoldBack). A link that wants to judge only what the links before it have settled
// leaves out so many runes but those that it holds back itself. In a final chunk it is 0.
func (c *Chunk) HoldBack() int { return c.in.HoldBack }

var chunkSpec = spec[Chunk]{
	meta: func(s *Chunk) *Meta { return &s.meta },
	in: []field[Chunk]{
		value("text", func(s *Chunk) *string { return &s.in.Text }),
		value("released", func(s *Chunk) *string { return &s.in.Released }),
		value("index", func(s *Chunk) *int { return &s.in.Index }),
		value("final", func(s *Chunk) *bool { return &s.in.Final }),
		value("since_last", func(s *Chunk) *time.Duration { return &s.in.SinceLast }),
		value("hold_back", func(s *Chunk) *int { return &s.in.HoldBack }),
	},
}

// StreamPhase says where in a stream an event lies.
type StreamPhase string

// The phases. A stream has one start, any number of events, and exactly one end.
const (
	StreamStart StreamPhase = "start"
	StreamAt    StreamPhase = "event"
	StreamEnd   StreamPhase = "end"
)

// StreamEvent is a report of what happens in a stream.
type StreamEvent struct {
	meta Meta
	in   StreamEventFields
}

// StreamEventFields is what a StreamEvent carries from the start.
type StreamEventFields struct {
	Phase   StreamPhase // the place in the stream
	Kind    string      // what happened, for an event
	Data    Map[any]    // facts about it
	Success bool        // at the end: whether the stream was complete
	Err     error       // at the end: why not
}

// NewStreamEvent makes the payload of one call.
func NewStreamEvent(m Meta, f StreamEventFields) *StreamEvent {
	return &StreamEvent{meta: m.versioned(), in: f}
}

// Meta says which call this is.
func (s *StreamEvent) Meta() Meta { return s.meta }

// Phase is the place in the stream.
func (s *StreamEvent) Phase() StreamPhase { return s.in.Phase }

// Kind is the name of what happened, for an event; empty at start and end.
func (s *StreamEvent) Kind() string { return s.in.Kind }

// Data is what there is to say about it.
func (s *StreamEvent) Data() Map[any] { return s.in.Data }

// Success says, at the end, whether the stream was complete and accepted.
func (s *StreamEvent) Success() bool { return s.in.Success }

// Err is the reason why it was not.
func (s *StreamEvent) Err() error { return s.in.Err }

// Hook is the name of the hook point that the event belongs to.
func (s *StreamEvent) Hook() string { return "streaming_" + string(s.in.Phase) }

var streamEventSpec = spec[StreamEvent]{
	meta: func(s *StreamEvent) *Meta { return &s.meta },
	in: []field[StreamEvent]{
		value("phase", func(s *StreamEvent) *StreamPhase { return &s.in.Phase }),
		value("kind", func(s *StreamEvent) *string { return &s.in.Kind }),
		value("data", func(s *StreamEvent) *Map[any] { return &s.in.Data }),
		value("success", func(s *StreamEvent) *bool { return &s.in.Success }),
		by("error", func(s *StreamEvent) *error { return &s.in.Err }, sameValue),
	},
}
