package pii

import (
	"strings"
)

// What stands in the place of what was found: [EMAIL], [EMAIL#...] for a hash and [EMAIL:...] for a token. Such labels are
// left alone wherever they are found, so that redacting twice is the same as redacting once.
const (
	maxName  = 24 // of a detector
	idLength = 18 // letters of a hash or token, 84 bits
	maxLabel = maxName + idLength + 3
)

// labels are the names that a label without an id may have.
type labels map[string]bool

func labelsOf(kinds []kind) labels {
	l := labels{}
	for _, k := range kinds {
		l[k.label] = true
	}
	return l
}

// at is the length of the label that begins at i, or 0.
func (l labels) at(text string, i int) int {
	if i >= len(text) || text[i] != '[' {
		return 0
	}
	end := min(len(text), i+maxLabel)
	j := i + 1
	for j < end && (text[j] >= 'A' && text[j] <= 'Z' || text[j] >= '0' && text[j] <= '9' || text[j] == '_') {
		j++
	}
	if j == i+1 || j >= end {
		return 0
	}
	if text[j] == ']' && l[text[i+1:j]] {
		return j + 1 - i
	}
	if id := j + 1; (text[j] == ':' || text[j] == '#') && id+idLength < end && text[id+idLength] == ']' && isID(text[id:id+idLength]) {
		return id + idLength + 1 - i
	}
	return 0
}

// endsAt says that a label ends at i.
func (l labels) endsAt(text string, i int) bool {
	if i == 0 || text[i-1] != ']' {
		return false
	}
	from := max(0, i-maxLabel)
	at := strings.LastIndexByte(text[from:i], '[')
	return at >= 0 && l.at(text, from+at) == i-from-at
}

// overlap says that a label has a part of text[start:end].
func (l labels) overlap(text string, start, end int) bool {
	for i := max(0, start-maxLabel+1); i < end; i++ {
		n := strings.IndexByte(text[i:end], '[')
		if n < 0 {
			return false
		}
		i += n
		if i+l.at(text, i) > start {
			return true
		}
	}
	return false
}

func isID(text string) bool {
	for i := range len(text) {
		if text[i] < 'a' || text[i] > 'z' {
			return false
		}
	}
	return true
}

// idOf makes an id of random bytes.
func idOf(b []byte) string {
	var id [idLength]byte
	for i := range id {
		id[i] = 'a' + b[i]%26
	}
	return string(id[:])
}
