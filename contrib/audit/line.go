package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// A line of a file is
//
//	{"hash":"<64 hex digits>","seq":7,"prev":"<hash of line 6>","record":{...}}
//
// with "event" in place of "record" for what the file says of itself. The hash is the SHA-256, or with a key the HMAC-SHA-256,
// of all that follows the comma behind it, up to the end of the line. So no byte of a line can change, and no line can go, come
// or move without a break.

const (
	lineOpen  = `{"hash":"`
	hashLen   = 2 * sha256.Size // in hex digits
	bodyStart = len(lineOpen) + hashLen + len(`",`)
	maxLine   = 64 << 20
)

var genesis = strings.Repeat("0", hashLen)

// position is a line of the chain: its number, from 1, and its hash.
type position struct {
	seq  uint64
	hash string
}

// event is what a file says of itself.
type event struct {
	Kind    string `json:"kind"`              // one of those below
	Bytes   int64  `json:"bytes,omitempty"`   // of a torn line that was cut off
	Head    uint64 `json:"head,omitempty"`    // the number of the last record that the head knew of
	Line    uint64 `json:"line,omitempty"`    // the line that said so first, where this one repeats it
	Through uint64 `json:"through,omitempty"` // the last record that was deleted
}

const (
	eventRepaired  = "repaired"  // a torn line, which nobody was told is stored, was cut off after a crash
	eventTruncated = "truncated" // the head knew of more records than there were, or there was none; every later file begins with it
	eventPruned    = "pruned"    // old files are deleted as configured
)

// truncation is what later files repeat of a line that says that others are missing, nil for other lines.
func (l line) truncation() *event {
	if l.event == nil || l.event.Kind != eventTruncated {
		return nil
	}
	out := *l.event
	if out.Line == 0 {
		out.Line = l.seq
	}
	return &out
}

type line struct {
	position
	prev  string
	event *event
}

func (o FileOptions) sum(body []byte) string {
	var h hash.Hash
	if len(o.Key) > 0 {
		h = hmac.New(sha256.New, o.Key)
	} else {
		h = sha256.New()
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// appendLine appends the line that follows at, of a payload {"record":...} without its opening brace, and gives its position.
func (o FileOptions) appendLine(to *bytes.Buffer, at position, member string, value []byte) position {
	start := to.Len()
	to.WriteString(lineOpen)
	to.WriteString(genesis) // room for the hash
	to.WriteString(`",`)
	fmt.Fprintf(to, `"seq":%d,"prev":"%s","%s":`, at.seq+1, at.hash, member)
	to.Write(value)
	to.WriteByte('}')
	l := to.Bytes()[start:]
	next := position{at.seq + 1, o.sum(l[bodyStart:])}
	copy(l[len(lineOpen):], next.hash)
	to.WriteByte('\n')
	return next
}

// parseLine reads a line without its end.
func (o FileOptions) parseLine(b []byte) (l line, err error) {
	if len(b) < bodyStart || string(b[:len(lineOpen)]) != lineOpen || string(b[bodyStart-2:bodyStart]) != `",` {
		return l, errors.New("not a line of an audit file")
	}
	l.hash = string(b[len(lineOpen) : bodyStart-2])
	if !hmac.Equal([]byte(l.hash), []byte(o.sum(b[bodyStart:]))) {
		return l, errors.New("the hash does not match: the line was changed, or the key is another one")
	}
	var body struct {
		Seq    uint64          `json:"seq"`
		Prev   string          `json:"prev"`
		Record json.RawMessage `json:"record"`
		Event  *event          `json:"event"`
	}
	if err := json.Unmarshal(append([]byte("{"), b[bodyStart:]...), &body); err != nil {
		return l, fmt.Errorf("not JSON: %w", err)
	}
	if body.Seq == 0 || (body.Event == nil) == (body.Record == nil) {
		return l, errors.New("neither a record nor an event")
	}
	l.seq, l.prev, l.event = body.Seq, body.Prev, body.Event
	return l, nil
}
