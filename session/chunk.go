package session

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Chunking says where a streamed answer is cut into the chunks that links and readers get. White space belongs to the chunk
// before it, so that all chunks together are the answer.
type Chunking string

// The ways to cut. Except for ChunkRaw the chunks are the same however the backend's pieces come. A streamed answer that
// comes from a cache is cut after words where ChunkRaw is asked for.
const (
	ChunkRaw        Chunking = "raw"       // as the backend gives the pieces, with whole runes
	ChunkWords      Chunking = "word"      // after the white space behind a word
	ChunkSentences  Chunking = "sentence"  // behind a full stop, question or exclamation mark and white space, or an empty line
	ChunkParagraphs Chunking = "paragraph" // behind an empty line
)

// Chunked sets how a stream is cut, by default ChunkRaw. It has no effect on a call that is not streamed.
func Chunked(by Chunking) InstructOption {
	return instructOption(func(i *instruction) error {
		switch by {
		case ChunkRaw, ChunkWords, ChunkSentences, ChunkParagraphs:
			i.chunking = by
			return nil
		}
		return fmt.Errorf("%w: chunking %q", ErrOption, by)
	})
}

// splitter cuts text that comes in pieces.
type splitter struct {
	by  Chunking
	buf strings.Builder // the chunk that is not complete
	cut string          // of a rune that is not complete

	// What the chunk ends with so far.
	word     bool // it has more than white space
	space    bool // white space
	newlines int  // in that white space
	stop     bool // the end of a sentence, perhaps with white space or closing quotes behind it
	wide     bool // one that needs no white space behind it
}

// write adds a piece and passes on the chunks that it completes.
func (s *splitter) write(text string, chunk func(string) error) error {
	text = s.cut + text
	n := whole(text)
	text, s.cut = text[:n], text[n:]
	if s.by == ChunkRaw || s.by == "" {
		if text == "" {
			return nil
		}
		return chunk(text)
	}
	from := 0
	for i, r := range text {
		if s.begins(r) {
			s.buf.WriteString(text[from:i])
			done := s.buf.String()
			*s = splitter{by: s.by, cut: s.cut}
			if err := chunk(done); err != nil {
				return err
			}
			from = i
		}
		s.see(r)
	}
	s.buf.WriteString(text[from:])
	return nil
}

// rest is what was written since the last complete chunk.
func (s *splitter) rest() string {
	rest := s.buf.String() + s.cut
	*s = splitter{by: s.by}
	return rest
}

// split cuts a whole text.
func split(by Chunking, text string, chunk func(string) error) error {
	s := splitter{by: by}
	if err := s.write(text, chunk); err != nil {
		return err
	}
	if rest := s.rest(); rest != "" {
		return chunk(rest)
	}
	return nil
}

// begins says that r is the first rune of a new chunk.
func (s *splitter) begins(r rune) bool {
	if !s.word || unicode.IsSpace(r) {
		return false
	}
	switch s.by {
	case ChunkWords:
		return s.space
	case ChunkSentences:
		return s.newlines > 1 || s.stop && s.space || s.wide && !isStop(r) && !isWideStop(r) && !isCloser(r)
	}
	return s.newlines > 1
}

func (s *splitter) see(r rune) {
	if unicode.IsSpace(r) {
		s.space = true
		if r == '\n' {
			s.newlines++
		}
		return
	}
	s.word, s.space, s.newlines = true, false, 0
	if !isCloser(r) {
		s.stop, s.wide = isStop(r) || isWideStop(r), isWideStop(r)
	}
}

func isStop(r rune) bool     { return strings.ContainsRune(".!?…", r) }
func isWideStop(r rune) bool { return strings.ContainsRune("。！？", r) }
func isCloser(r rune) bool   { return strings.ContainsRune("\"'”’»)]」』", r) }

// whole is the length of text without a rune at its end of which only a part is there.
func whole(text string) int {
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRuneInString(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}

// runesFromEnd is where the last n runes of text begin.
func runesFromEnd(text string, n int) int {
	i := len(text)
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
	}
	return i
}
