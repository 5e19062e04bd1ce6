package budget

import (
	"unicode/utf8"

	"github.com/maillon-go/maillon/stages"
)

// Estimator counts the tokens of a text for a model. Safe for concurrent use; one that panics is replaced by Heuristic for
// that text.
type Estimator interface {
	Tokens(model, text string) int
}

// Heuristic is an Estimator that reads no vocabulary and knows no model: it goes by what text looks like. It is meant to be
// over the real number rather than under it; docs/plugins/budget.md says by how much.
type Heuristic struct{}

// Tokens implements Estimator. It takes time linear in the text and no memory.
func (Heuristic) Tokens(_, text string) int {
	tokens, halves := 0, 0 // halves of tokens
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			_, size := utf8.DecodeRuneInString(text[i:])
			i += size
			halves += []int{2, 2, 1, 2, 5}[size] // by the length in bytes: an invalid one, letters, ideographs, emoji
			continue
		}
		k, from := classOf(c), i
		for i++; i < len(text) && classOf(text[i]) == k; i++ {
			if k == letters && upper(text[i]) && !upper(text[i-1]) { // camelCase
				break
			}
		}
		n := i - from
		switch k {
		case letters:
			tokens += (n + 6) / 7
		case digits:
			tokens += (n + 2) / 3
		case blanks: // a single one belongs to the next word
			if n > 1 {
				tokens += 1 + n/16
			}
		case newlines:
			tokens += 1 + n/16
		case marks:
			halves += n + 1
		}
	}
	return tokens + (halves+1)/2
}

type class uint8

const (
	marks class = iota
	letters
	digits
	blanks
	newlines
)

func classOf(c byte) class {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return letters
	case c >= '0' && c <= '9':
		return digits
	case c == ' ' || c == '\t':
		return blanks
	case c == '\n' || c == '\r':
		return newlines
	case c >= utf8.RuneSelf:
		return 255
	}
	return marks
}

func upper(c byte) bool { return c >= 'A' && c <= 'Z' }

// What a request takes beside its texts, in tokens.
const (
	perRequest = 3
	perMessage = 4
	perTool    = 12
	perImage   = 1000 // a large one at high detail
)

// tokens counts one text.
func (p *Plugin) tokens(model, text string) (n int64) {
	if text == "" {
		return 0
	}
	defer func() {
		if recover() != nil {
			n = int64(Heuristic{}.Tokens(model, text))
		}
	}()
	return min(max(int64(p.estimator.Tokens(model, text)), 0), maxTokens)
}

// input estimates the tokens of a request.
func (p *Plugin) input(g *stages.Generation) int64 {
	model := modelOf(g)
	n := int64(perRequest)
	for _, m := range g.Messages().All() {
		n += perMessage + p.tokens(model, m.Text) + p.tokens(model, m.Name) + p.calls(model, m.ToolCalls) + perImage*int64(m.Images.Len())
	}
	for _, t := range g.Tools().All() {
		n += perTool + p.tokens(model, t.Name) + p.tokens(model, t.Description) + p.tokens(model, string(t.Parameters))
	}
	return min(n+p.tokens(model, string(g.Format().Schema)), maxTokens)
}

// output estimates those of an answer.
func (p *Plugin) output(model string, o stages.Output) int64 {
	return min(p.tokens(model, o.Text)+p.calls(model, o.ToolCalls), maxTokens)
}

func (p *Plugin) calls(model string, calls stages.List[stages.ToolCall]) (n int64) {
	for _, c := range calls.All() {
		n += perMessage + p.tokens(model, c.Name) + p.tokens(model, string(c.Arguments))
	}
	return n
}
