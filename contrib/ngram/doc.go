// Package ngram is a real but very small language model: interpolated word
// n-grams, trained when first used on a few thousand words of prose embedded
// in the package.
//
// It exists so that examples and tests can exercise text that varies, streams,
// stops, overruns its length and sometimes holds an e-mail address, without a
// key, a network or a download. It does not understand its prompt, knows
// nothing but the daily business of one invented harbour office, and is no
// substitute for a large model. What it writes looks like this:
//
//	High water is expected at 06:40 and low water at 13:30. Please write to
//	office@harbour.example if your ship needs a pilot.
//
// A minimal program:
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/maillon-go/maillon/contrib/ngram"
//	)
//
//	func main() {
//		res, err := ngram.Default().Generate(context.Background(),
//			"Write a note about tonight's tide",
//			ngram.Options{Temperature: ngram.DefaultTemperature, Seed: 1})
//		if err != nil {
//			log.Fatal(err)
//		}
//		fmt.Println(res.Text, res.FinishReason, res.Usage.CompletionTokens)
//	}
//
// # Model
//
// Probabilities are interpolated with Witten-Bell weights: with c(h,w) the
// count of word w after history h, c(h) the count of h and T(h) the number of
// different words seen after h,
//
//	p(w|h) = (c(h,w) + T(h)·p(w|h')) / (c(h) + T(h))
//
// where h' is h without its oldest word (I. H. Witten and T. C. Bell, "The
// zero-frequency problem", IEEE Transactions on Information Theory 37(4),
// 1991; interpolated as in S. F. Chen and J. Goodman, "An Empirical Study of
// Smoothing Techniques for Language Modeling", Harvard TR-10-98, 1998). The
// recursion ends in a uniform distribution over the vocabulary and one unknown
// word, so that every text has a finite perplexity.
//
// # Generation
//
// A text starts at a sentence start and draws word after word until the model
// predicts the end of the text or a limit of [Options] is met. The draw departs
// from the plain probabilities in four ways:
//
//   - Only words that training saw after the two words before are drawn, or
//     after more words if that still leaves a choice. It keeps sentences
//     readable.
//   - The prompt adds a topic: the training sentences that share its rarer
//     words form a small cache of n-grams, mixed in with the weight
//     [TopicWeight] (after R. Kuhn and R. De Mori, "A Cache-Based Natural
//     Language Model for Speech Recognition", IEEE PAMI 12(6), 1990).
//   - Repeating three words of the same text is marked down.
//   - Ending a sentence is marked down by the share of training sentences that
//     are longer.
//
// The prompt also takes part in the random seed, so that prompts without a
// known word still lead to different texts.
package ngram
