package audit

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// headSize is the length of a head file. It is always the same, so that one write in place replaces it.
const headSize = 512

// Head is the end of a chain: what a shorter one is measured against. A copy of it that is kept where the writer of the file
// cannot reach it is the only thing that shows a truncation by somebody who can write the file, its head and, if there is one,
// the key.
type Head struct {
	Seq  uint64 `json:"seq"`  // the number of the last line, 0 for none
	Hash string `json:"hash"` // its hash
	MAC  string `json:"mac"`  // of the two, with the file's key; without a key a mere checksum
}

func (o FileOptions) head(at position) Head {
	return Head{at.seq, at.hash, o.sum(fmt.Appendf(nil, "head %d %s", at.seq, at.hash))}
}

// text is the one form that a head has in its file.
func (h Head) text() []byte {
	b, _ := json.Marshal(h) // strings and a number
	return []byte(string(b) + strings.Repeat(" ", headSize-1-len(b)) + "\n")
}

// writeHead replaces the head in place.
func writeHead(f *os.File, h Head) error {
	_, err := f.WriteAt(h.text(), 0)
	return err
}

// readHead fails with os.ErrNotExist where there is none, and with errHead where it is not ours.
func (o FileOptions) readHead(path string) (h Head, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return h, err
	}
	if len(b) == 0 { // a crash came between making it and writing it
		return h, os.ErrNotExist
	}
	if len(b) != headSize || json.Unmarshal(b, &h) != nil || len(h.Hash) > hashLen {
		return Head{}, errHead
	}
	if !hmac.Equal(b, o.head(position{h.Seq, h.Hash}).text()) {
		return Head{}, errHead
	}
	return h, nil
}

var errHead = errors.New("the head was changed, or the key is another one")
