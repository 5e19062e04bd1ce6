package backendhttp

import (
	"strings"
	"unicode/utf8"

	"github.com/maillon-go/maillon/stages"
)

const (
	longestMessage = 300 // bytes of a service's words that are kept
	shortestEcho   = 12  // bytes of a text that is taken out where a service repeats it; less occurs by chance
)

// Clean is a service's message as an error may have it: on one line, of at most 300 bytes, and without keys and what was
// asked, which services like to repeat. g may be nil.
func Clean(message string, g *stages.Generation, secrets ...string) string {
	if g != nil {
		for _, m := range g.Messages().All() {
			if len(m.Text) >= shortestEcho {
				secrets = append(secrets, m.Text)
			}
		}
	}
	for _, s := range secrets {
		if s != "" {
			message = strings.ReplaceAll(message, s, "…")
		}
	}
	message = strings.ToValidUTF8(strings.Join(strings.Fields(message), " "), "…")
	if len(message) > longestMessage {
		cut := longestMessage - len("…")
		for !utf8.RuneStart(message[cut]) {
			cut--
		}
		message = message[:cut] + "…"
	}
	return message
}
