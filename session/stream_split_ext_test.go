package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// chunkLink rewrites or blocks at generation_stream_chunk.
type chunkLink struct {
	name    string
	rewrite func(string) string
	blocks  func(string) bool
	window  int
}

var digits = regexp.MustCompile(`\d+`)

// The links of the property. The window of one that looks for a text is its length, or that of its replacement.
var (
	redactDigits = chunkLink{name: "digits", rewrite: func(s string) string { return digits.ReplaceAllString(s, "#") }, window: 1}
	redactWord   = chunkLink{name: "word", rewrite: func(s string) string { return strings.ReplaceAll(s, "béta", "[-]") }, window: 4}
	growWord     = chunkLink{name: "grow", rewrite: func(s string) string { return strings.ReplaceAll(s, "a#", "[redacted]") }, window: 10}
	maskWord     = chunkLink{name: "mask", rewrite: func(s string) string { return strings.ReplaceAll(s, "béta", "b***") }, window: 4}
	// What the first has not settled is part of what the second has found: the sum of the windows is needed, not the larger.
	splitSecond = chunkLink{name: "second", rewrite: func(s string) string { return strings.ReplaceAll(s, "foo b", "[y]") }, window: 5}
	splitFirst  = chunkLink{name: "first", rewrite: func(s string) string { return strings.ReplaceAll(s, "bar baz", "[x]") }, window: 7}
	// The end of what one replaces looks like the beginning of the next.
	overlap   = chunkLink{name: "overlap", rewrite: strings.NewReplacer("abc", "**c", "cde", "#").Replace, window: 3}
	blockWord = chunkLink{name: "blocker", blocks: func(s string) bool { return strings.Contains(s, "a b") }, window: 3}
)

func (l chunkLink) link(check func(*stages.Chunk)) chain.Link[*stages.Chunk] {
	return chain.Before(l.name, func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		if check != nil {
			check(c)
		}
		if l.blocks != nil && l.blocks(c.Text()) {
			return c, chain.Block("not here", chain.Code("test"))
		}
		if l.rewrite != nil {
			if text := l.rewrite(c.Text()); text != c.Text() {
				return c.WithText(text), nil
			}
		}
		return c, nil
	}, stages.HoldBack(l.window))
}

// verdict is what a caller can tell of an answer.
func verdict(res *session.Result, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%q %v %s", res.Text(), res.Success, res.FailureReason)
}

// lag watches the hold-back: all that links let through is compared with what the reader has.
type lag struct {
	given, released, most int
}

// splitting is a session whose backend answers with one text, in the pieces that it is told.
type splitting struct {
	s      *session.Session
	pieces []string
	lag    lag
	window int
}

func newSplitting(tb testing.TB, links ...chunkLink) *splitting {
	tb.Helper()
	w := &splitting{}
	b := &pieces{}
	w.s = start(tb, session.WithBackend(streamingFunc(func(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
		for _, p := range w.pieces {
			if err := emit(p); err != nil {
				return nil, err
			}
		}
		return b.done(g, strings.Join(w.pieces, ""))
	})), session.WithHistoryKind(stages.HistorySingle))
	for _, l := range links {
		w.window += l.window
		use(tb, w.s.Pipeline().Chunk, l.link(nil))
	}
	use(tb, w.s.Pipeline().Chunk, chain.Before("lag", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		if c.Index() == 0 {
			w.lag = lag{}
		}
		// Of the chunk before this one: the reader is ready for more.
		w.lag.most = max(w.lag.most, w.lag.given-w.lag.released)
		w.lag.given = utf8.RuneCountInString(c.Released() + c.Text())
		return c, nil
	}, chain.Priority(1000)))
	return w
}

// streamingFunc is a Streamer.
type streamingFunc func(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error)

func (f streamingFunc) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	return f(ctx, g, emit)
}

func (f streamingFunc) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return f(ctx, g, func(string) error { return nil })
}

// check compares a stream of these pieces with the unary answer.
func (w *splitting) check(tb testing.TB, by session.Chunking, parts []string) {
	tb.Helper()
	w.pieces = parts
	unary := verdict(w.s.Instruct(tb.Context(), "go"))
	st := w.s.Stream(tb.Context(), "go", session.Chunked(by))
	var released strings.Builder
	for chunk, err := range st.Text() {
		if err == nil {
			released.WriteString(chunk)
			w.lag.released += utf8.RuneCountInString(chunk)
		}
	}
	res, err := st.Result()
	if got := verdict(res, err); got != unary {
		tb.Fatalf("%s %q: streamed %s, unary %s", by, parts, got, unary)
	}
	if err == nil && released.String() != res.Text() {
		tb.Fatalf("%s %q: the reader got %q of %q", by, parts, released.String(), res.Text())
	}
	if w.lag.most > w.window {
		tb.Fatalf("%s %q: %d runes were held back, declared are %d", by, parts, w.lag.most, w.window)
	}
	if err != nil && strings.Contains(released.String(), "a b") {
		tb.Fatalf("%s %q: %q was released", by, parts, released.String())
	}
}

// splits are all ways to cut a text, also within runes.
func splits(text string, yield func([]string)) {
	for mask := range 1 << (len(text) - 1) {
		var parts []string
		from := 0
		for i := 1; i < len(text); i++ {
			if mask&(1<<(i-1)) != 0 {
				parts, from = append(parts, text[from:i]), i
			}
		}
		yield(append(parts, text[from:]))
	}
}

var (
	chunkings = []session.Chunking{session.ChunkRaw, session.ChunkWords, session.ChunkSentences, session.ChunkParagraphs}
	lines     = map[string][]chunkLink{
		"no link":           nil,
		"runs of digits":    {redactDigits},
		"a word":            {redactWord},
		"part of a word":    {maskWord},
		"a blocker":         {blockWord},
		"redactors":         {redactWord, redactDigits, growWord},
		"redactor, blocker": {redactDigits, blockWord},
		"sum of windows":    {splitFirst, splitSecond},
		"overlap":           {overlap},
	}
)

// Behaviours 40, 41: for every way to split a text the reader gets the text, and the caller the verdict, of the unary call,
// and no more than the declared window is held back.
func TestStreamEverySplit(t *testing.T) {
	t.Parallel()
	for name, links := range lines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSplitting(t, links...)
			texts := []string{"a béta42", "béta1. x", "aa1 a b", "x.  Ä1", "abcdef"}
			if name == "sum of windows" {
				texts = []string{"foo bar baz", "foo bar bax"}
			}
			for _, text := range texts {
				n := 0
				splits(text, func(parts []string) {
					w.check(t, session.ChunkRaw, parts)
					n++
					w.check(t, chunkings[1+n%3], parts)
				})
			}
		})
	}
}

// Behaviour 41, for longer texts.
func TestStreamRandomSplits(t *testing.T) {
	t.Parallel()
	words := []string{"abc", "de", "foo b", "ar ", "baz", "béta", "bé", "ta", "12", "7", "a", "a1", " ", ". ", "\n\n", "!", "。", "x", "b***", "[-]", "\xff"}
	for name, links := range lines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(4, 2))
			w := newSplitting(t, links...)
			for range 300 {
				var text strings.Builder
				for range 1 + rnd.IntN(60) {
					text.WriteString(words[rnd.IntN(len(words))])
				}
				w.check(t, chunkings[rnd.IntN(len(chunkings))], cutAt(text.String(), func() int { return 1 + rnd.IntN(9) }))
			}
		})
	}
}

func cutAt(text string, size func() int) (parts []string) {
	for text != "" {
		n := min(size(), len(text))
		parts, text = append(parts, text[:n]), text[n:]
	}
	return parts
}

func FuzzStreamSplits(f *testing.F) {
	f.Add("a béta42. x", []byte{1, 3}, uint8(0), uint8(2))
	f.Add("12 béta a b", []byte{2}, uint8(1), uint8(5))
	names := slices.Sorted(func(yield func(string) bool) {
		for n := range lines {
			if !yield(n) {
				return
			}
		}
	})
	f.Fuzz(func(t *testing.T, text string, sizes []byte, by, with uint8) {
		if text == "" || len(text) > 500 {
			return
		}
		i := -1
		w := newSplitting(t, lines[names[int(with)%len(names)]]...)
		w.check(t, chunkings[int(by)%len(chunkings)], cutAt(text, func() int {
			if len(sizes) == 0 {
				return len(text)
			}
			i++
			return 1 + int(sizes[i%len(sizes)])%20
		}))
	})
}

// The chunks are the same for every split, but for raw ones.
func TestStreamChunks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		by   session.Chunking
		text string
		want []string
	}{
		{session.ChunkWords, " Ebb  and flow.\n", []string{" Ebb  ", "and ", "flow.\n"}},
		{session.ChunkSentences, "It is 6.40 now. \"Go!\" He went… 。", []string{"It is 6.40 now. ", "\"Go!\" ", "He went… ", "。"}},
		{session.ChunkSentences, "一。二！」三", []string{"一。", "二！」", "三"}},
		{session.ChunkSentences, "Title\n\nText", []string{"Title\n\n", "Text"}},
		{session.ChunkParagraphs, "One.\nTwo.\n \nThree.", []string{"One.\nTwo.\n \n", "Three."}},
		{session.ChunkParagraphs, "\n\nOne", []string{"\n\nOne"}},
	} {
		for _, size := range []int{1, 2, 3, 100} {
			r := inBothWays(t, func() []session.Option {
				return []session.Option{session.WithBackend(inPieces(cutAt(tc.text, func() int { return size })...))}
			}, session.Chunked(tc.by))
			if !slices.Equal(r.chunks, tc.want) || r.last != nil {
				t.Errorf("%s, pieces of %d bytes: got %q, %v, want %q", tc.by, size, r.chunks, r.last, tc.want)
			}
		}
	}
	s := start(t, session.WithBackend(echo()))
	if r := streamed(t, s.Stream(t.Context(), "go", session.Chunked("line"))); r.last == nil {
		t.Error("an unknown chunking was taken")
	}
}

// A link that takes back what it has let out is found out, and the stream ends.
func TestStreamHoldBackTooSmall(t *testing.T) {
	t.Parallel()
	liar := chunkLink{name: "liar", window: 1, rewrite: strings.NewReplacer("béta", "[..]", "bé", "<...>").Replace}
	s := start(t, session.WithBackend(inPieces("so bé", "ta")))
	use(t, s.Pipeline().Chunk, liar.link(nil))
	r := streamed(t, s.Stream(t.Context(), "go"))
	if r.text() != "so <..." || !errors.Is(r.last, session.ErrHoldBack) {
		t.Errorf("got %q, %v", r.text(), r.last)
	}
}
