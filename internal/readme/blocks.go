package readme

import (
	"regexp"
	"strings"
)

// Blocks are the fenced Go blocks of a page, each as its lines without indentation, comments and blank lines.
func Blocks(page string) (out [][]string) {
	for _, m := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		out = append(out, lines(m[1]))
	}
	return out
}

// comment is the rest of a line from a comment on; a // within a word, as in an address, is none.
var comment = regexp.MustCompile(`(^|\s)//.*`)

func lines(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(comment.ReplaceAllString(line, "")); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// Missing gives the first block of the page that does not stand, whole and in one piece, in the source.
func Missing(page, source string) []string {
	have := "\n" + strings.Join(lines(source), "\n") + "\n"
	for _, b := range Blocks(page) {
		if !strings.Contains(have, "\n"+strings.Join(b, "\n")+"\n") {
			return b
		}
	}
	return nil
}
