package ngram

import "strings"

// stopBuffer cuts a stream of text pieces before the first stop sequence. It
// holds back text that may be the beginning of one, so the cut does not depend
// on where the pieces end.
type stopBuffer struct {
	stops []string
	held  string
}

// push adds piece and returns the text that is safe to pass on. Once stopped
// is true, the returned text is the last.
//
// If several sequences match, the one that is complete first wins, and among
// those the longest.
func (b *stopBuffer) push(piece string) (text string, stopped bool) {
	b.held += piece
	cut, end := -1, len(b.held)+1
	for _, stop := range b.stops {
		i := strings.Index(b.held, stop)
		if i < 0 {
			continue
		}
		if e := i + len(stop); e < end || e == end && i < cut {
			cut, end = i, e
		}
	}
	if cut >= 0 {
		text, b.held = b.held[:cut], ""
		return text, true
	}
	safe := len(b.held) - b.partial()
	text, b.held = b.held[:safe], b.held[safe:]
	return text, false
}

// flush returns what is still held back, at the end of the text.
func (b *stopBuffer) flush() string {
	text := b.held
	b.held = ""
	return text
}

// partial returns the length of the longest end of the held text that is the
// beginning of a stop sequence.
func (b *stopBuffer) partial() int {
	longest := 0
	for _, stop := range b.stops {
		for n := min(len(stop)-1, len(b.held)); n > longest; n-- {
			if strings.HasSuffix(b.held, stop[:n]) {
				longest = n
			}
		}
	}
	return longest
}
