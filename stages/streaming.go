package stages

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/chain"
)

// Marks by which links say how they go with streams.
const (
	markHoldBack = "hold_back"
	markChunks   = "accepts_chunks"
)

// HoldBack is for a link at generation_stream_chunk: that many runes, at the end of what the link returned, are not
// released until more text has come or the answer is complete, so that what is split across chunks is seen whole. The link
// promises that
//   - more text changes nothing of what it returned but in its last n runes, and
//   - what it makes of a place depends on no more than the n runes before it.
//
// For one that looks for a text and puts another in its place, n is the length of the longer of the two. A link that says
// nothing takes each chunk on its own. A negative n is 0.
func HoldBack(n int) chain.Option { return chain.Mark(markHoldBack, max(n, 0)) }

// AcceptsChunks is for a link that would otherwise make streams buffered (see Pipeline.Streaming): it promises neither to
// stop nor to rewrite what a reader may have got already. If it stops the call nevertheless, the stream ends with that
// error; what it rewrites of the released text is discarded.
func AcceptsChunks() chain.Option { return chain.Mark(markChunks, 1) }

// Streaming is how answers are streamed through the links of a Pipeline.
type Streaming struct {
	// HoldBack is how many runes are held back: the sum of what the links of the chunk stage declare by HoldBack, because
	// what one of them has not settled yet is what the next one works on.
	HoldBack int
	// Generation names the links, as chain/link, because of which nothing of an answer is released until the generation
	// stage has let all of it pass: After hooks and Arounds that are not made of an Interceptor, without AcceptsChunks.
	Generation []string
	// Call names those because of which nothing is released until the whole call has passed: such links of the component and
	// sampling stages, and any of the validation and iteration stages that can add a requirement or stop an answer.
	Call []string
}

// Buffered names all links that make streams buffered.
func (s Streaming) Buffered() []string { return append(append([]string{}, s.Generation...), s.Call...) }

// String says it in a line.
func (s Streaming) String() string {
	switch {
	case len(s.Call) > 0:
		return fmt.Sprintf("streams are buffered until the call has passed, because of %v", s.Buffered())
	case len(s.Generation) > 0:
		return fmt.Sprintf("streams are buffered until the generation has passed, because of %v", s.Generation)
	case s.HoldBack > 0:
		return fmt.Sprintf("streams are released chunk by chunk, %d runes are held back", s.HoldBack)
	}
	return "streams are released chunk by chunk"
}

// Streaming says how an answer would be streamed now, in a call that is made with ctx: the links of its block scopes count
// too. The runtime asks it for each generation.
func (p *Pipeline) Streaming(ctx context.Context) Streaming {
	var s Streaming
	for _, l := range planFor(ctx, p, p.Chunk).Links {
		if l.Mode != chain.Disabled {
			s.HoldBack += l.Marks[markHoldBack]
		}
	}
	s.Generation = buffering(planFor(ctx, p, p.Generation), false)
	s.Call = append(s.Call, buffering(planFor(ctx, p, p.Component), false)...)
	s.Call = append(s.Call, buffering(planFor(ctx, p, p.Sampling), false)...)
	s.Call = append(s.Call, buffering(planFor(ctx, p, p.Validation), true)...)
	s.Call = append(s.Call, buffering(planFor(ctx, p, p.Iteration), true)...)
	return s
}

// buffering are the links of a plan that can stop or rewrite an answer, where asked for those on the way in too.
func buffering(plan chain.Plan, before bool) (names []string) {
	for _, l := range plan.Links {
		switch {
		case l.Marks[markChunks] != 0, l.Interceptor:
		case l.Mode == chain.Disabled, l.Mode == chain.Audit, l.Mode == chain.FireAndForget:
		case l.Kind == chain.KindAfter, l.Kind == chain.KindAround, l.Kind == chain.KindBefore && before:
			names = append(names, plan.Chain+"/"+l.Name)
		}
	}
	return names
}

// ChunkActive says whether a call that is made with ctx runs any link of the chunk stage.
func (p *Pipeline) ChunkActive(ctx context.Context) bool {
	return p.Chunk.Active() || planInBlock(ctx, p.Chunk.Name())
}

// planInBlock says that a block scope of ctx has links for a chain.
func planInBlock(ctx context.Context, chainName string) bool {
	if openBlocks.Load() == 0 {
		return false
	}
	for k := blockOf(ctx); k != nil; k = k.outer.open() {
		if len(k.links[chainName]) > 0 {
			return true
		}
	}
	return false
}

// planFor is what a chain of p runs in a call that is made with ctx. Links that do not fit are left out: the call itself
// will be refused because of them.
func planFor[P any](ctx context.Context, p *Pipeline, c *chain.Chain[P]) chain.Plan {
	if planInBlock(ctx, c.Name()) {
		if in, _, err := scopeIn(p, c, blockOf(ctx)); err == nil {
			c = in
		}
	}
	return c.Explain()
}
