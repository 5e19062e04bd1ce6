package openai

import (
	"github.com/openai/openai-go/v3/option"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/httpx"
)

// Through is an option of the SDK's own clients, for programs that have one already: each request goes through a chain.
//
//	client := openai.NewClient(option.WithMaxRetries(0), maillonopenai.Through(c, httpx.Settings{}))
//
// The SDK repeats what failed around the chain, twice unless told otherwise: with a retry among the links, tell it not to.
// Streams stay streams.
func Through(c *chain.Chain[*httpx.Exchange], s httpx.Settings) option.RequestOption {
	return option.WithMiddleware(httpx.NewClient(c, s).Do)
}
