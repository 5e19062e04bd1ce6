package tiktoken

import (
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer"

	"github.com/maillon-go/maillon/contrib/budget"
)

// Estimator counts with cl100k_base for GPT-4 and GPT-3.5 and with o200k_base for all other models, whoever made them: for those
// of other vendors that is an estimate. Safe for concurrent use.
type Estimator struct{}

var _ budget.Estimator = Estimator{}

var (
	cl100k = sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.Cl100kBase) })
	o200k  = sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.O200kBase) })
)

// piece is how much of a text is counted at once, in bytes: the regular expression that cuts it into words takes time that
// grows with the square of a run of mixed white space.
const piece = 512

// Tokens implements budget.Estimator. The time is linear in the text. It is counted in pieces of half a KiB, each of which can
// be a token over. What the tokenizer refuses is counted by budget.Heuristic.
func (Estimator) Tokens(model, text string) (n int) {
	codec := o200k
	if old(model) {
		codec = cl100k
	}
	c, err := codec()
	if err != nil {
		return budget.Heuristic{}.Tokens(model, text)
	}
	for text != "" {
		part := text[:cut(text)]
		text = text[len(part):]
		count, err := c.Count(part)
		if err != nil {
			count = budget.Heuristic{}.Tokens(model, part)
		}
		n += count
	}
	return n
}

// old says that a model is of the time of cl100k_base.
func old(model string) bool {
	model = model[strings.LastIndexByte(model, '/')+1:]
	model = strings.TrimPrefix(model, "ft:")
	for _, prefix := range []string{"gpt-4-", "gpt-4:", "gpt-3.5", "gpt-35"} {
		if strings.HasPrefix(model, prefix) {
			return true
		}
	}
	return model == "gpt-4"
}

// cut is the end of the next piece: before the last white space if there is one in its second half, else between runes.
func cut(text string) int {
	if len(text) <= piece {
		return len(text)
	}
	if i := strings.LastIndexAny(text[piece/2:piece], " \n\t"); i >= 0 {
		return piece/2 + i
	}
	n := piece
	for n > piece-4 && text[n]&0xC0 == 0x80 { // inside a rune
		n--
	}
	return n
}
