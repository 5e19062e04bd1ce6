package session

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/maillon-go/maillon/stages"
)

// screen puts the text of one answer through the chunk stage, chunk by chunk or in one piece, and finds what may be passed
// on. Links are given the text as the backend gave it; what they were given before, and have not settled, they get again
// with the next chunk, so that it makes no difference where chunks end.
type screen struct {
	call   func(context.Context, *stages.Chunk) (*stages.Chunk, error) // nil: no link is there
	meta   func() stages.Meta
	window int // runes to hold back

	before string // the text that was passed on and is settled
	raw    string // the text behind it as the backend gave it
	out    string // what was passed on of what the links made of raw
	index  int
	last   time.Time
}

// add takes more text and gives what may be passed on.
func (c *screen) add(ctx context.Context, more string, final bool) (string, error) {
	if c.call == nil {
		c.before += more
		return more, nil
	}
	f := stages.ChunkFields{Text: c.raw + more, Released: c.before, Index: c.index, Final: final}
	if !final {
		f.HoldBack = c.window
	}
	now := time.Now()
	if c.index > 0 {
		f.SinceLast = now.Sub(c.last)
	}
	c.index, c.last = c.index+1, now
	ch, err := c.call(ctx, stages.NewChunk(c.meta(), f))
	if err != nil {
		return "", err
	}
	text := ch.Text()
	rest, ok := strings.CutPrefix(text, c.out)
	if !ok {
		return "", ErrHoldBack
	}
	c.raw = f.Text
	n := len(text)
	if !final {
		n = max(runesFromEnd(text, c.window), len(c.out))
	}
	c.out = text[:n]
	piece := rest[:n-len(text)+len(rest)]
	c.settle(text)
	return piece, nil
}

// settle drops what the links need not see again: all but the held back runes, where nothing near them was changed. A change
// that touches the same number of runes before may be the beginning or the end of what a link looks for.
func (c *screen) settle(text string) {
	at := runesFromEnd(c.raw, c.window)
	if c.raw != text {
		if same := runesFromEnd(c.raw, 2*c.window); !strings.HasSuffix(text, c.raw[same:]) || utf8.RuneCountInString(c.raw[same:]) < 2*c.window {
			return
		}
	}
	cut := len(text) - (len(c.raw) - at)
	if cut > len(c.out) {
		return
	}
	c.before += text[:cut]
	c.out, c.raw = c.out[cut:], c.raw[at:]
}

// passed is all that was passed on.
func (c *screen) passed() string { return c.before + c.out }

// newScreen makes a screen for a generation. It is nil where there is nothing to screen.
func (s *Session) newScreen(ctx context.Context, r *request, m stages.Meta, streamed bool) *screen {
	active := s.pipeline.ChunkActive(ctx)
	if !active && !streamed {
		return nil
	}
	c := &screen{}
	if active {
		c.call = s.call.chunk
		c.meta = r.metas(m)
	}
	if active && streamed {
		c.window = s.pipeline.Streaming(ctx).HoldBack
	}
	return c
}

// metas makes the Metas of stages within the one that m belongs to.
func (r *request) metas(m stages.Meta) func() stages.Meta {
	return func() stages.Meta { return r.after(m) }
}

// screened puts a text that did not come from the backend through the chunk stage: as one chunk, which is final.
func (s *Session) screened(ctx context.Context, r *request, m stages.Meta, text string) (string, error) {
	c := s.newScreen(ctx, r, m, false)
	if c == nil || text == "" {
		return text, nil
	}
	return c.add(ctx, text, true)
}

// ErrHoldBack means that a link of the chunk stage changed text that it had let out already: it needs a larger
// stages.HoldBack.
var ErrHoldBack = errors.New("session: a chunk link changed its mind about released text: it needs a larger stages.HoldBack")

// prefixChecks ask the requirements that can judge an answer before it is complete, and find the first that cannot be
// fulfilled any more.
func prefixChecks(ctx context.Context, requirements stages.List[stages.Requirement], text string) (*cutOff, error) {
	for i, q := range requirements.All() {
		if q.CheckPrefix == nil {
			continue
		}
		var v stages.Verdict
		if err := contain(func() (err error) {
			v, err = q.CheckPrefix(ctx, text, false)
			return err
		}); err != nil {
			return nil, checkFailed(q, err)
		}
		if v.Ruling == stages.Fail {
			return &cutOff{i, v}, nil
		}
	}
	return nil, nil
}

// with are the requirements, of which one is known not to be fulfilled.
func (c *cutOff) with(requirements stages.List[stages.Requirement]) stages.List[stages.Requirement] {
	if c == nil {
		return requirements
	}
	all := requirements.Slice()
	all[c.requirement].Check = func(context.Context, stages.Target) (stages.Verdict, error) { return c.verdict, nil }
	return stages.ListOf(all...)
}
