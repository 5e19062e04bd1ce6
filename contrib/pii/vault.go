package pii

import (
	"context"
	"crypto/rand"
	"iter"
	"strings"
	"sync"
)

// DefaultVaultSize is how many values a Vault holds unless it is told otherwise. Each has at most 192 bytes, so a full one
// takes some 5 MiB.
const DefaultVaultSize = 10_000

// Vault has the originals of tokens. It belongs to the caller: make one for a conversation, or for a single call, give it to the
// calls by WithVault, and put the originals back into what comes of them. It lives as long as the caller keeps it, in memory
// only, and shows nothing of itself when it is printed.
//
// A token is random, so nobody can make one up: what a model writes in the form of a token, and what comes from another Vault, is
// left as it is. The same text has the same token in one Vault. A full Vault takes nothing more; then text is redacted for
// good. A nil Vault is full. Safe for concurrent use.
type Vault struct {
	size int

	mu     sync.RWMutex
	tokens map[string]string // by label and text
	texts  map[string]string // by token
}

// NewVault makes a Vault for at most size values; 0 is DefaultVaultSize.
func NewVault(size int) *Vault {
	if size <= 0 {
		size = DefaultVaultSize
	}
	return &Vault{size: size, tokens: map[string]string{}, texts: map[string]string{}}
}

// token is what stands for text.
func (v *Vault) token(label, text string) (string, bool) {
	if v == nil {
		return "", false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := label + ":" + text
	t, ok := v.tokens[key]
	if ok {
		return t, true
	}
	if len(v.texts) >= v.size {
		return "", false
	}
	var b [idLength]byte
	_, _ = rand.Read(b[:]) // it never fails
	t = "[" + label + ":" + idOf(b[:]) + "]"
	text = strings.Clone(text) // not the whole prompt
	v.tokens[label+":"+text], v.texts[t] = t, text
	return t, true
}

// Restore puts the originals of this Vault's tokens back. What it gives is for the one whose data it is: do not log it or
// give it to a model.
func (v *Vault) Restore(text string) string {
	if v == nil || !strings.Contains(text, "[") {
		return text
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	var b strings.Builder
	at := 0
	for i := 0; i < len(text); i++ {
		n := labels(nil).at(text, i)
		if n == 0 {
			continue
		}
		if original, ok := v.texts[text[i:i+n]]; ok {
			b.WriteString(text[at:i])
			b.WriteString(original)
			at = i + n
		}
		i += n - 1
	}
	if at == 0 {
		return text
	}
	b.WriteString(text[at:])
	return b.String()
}

// Stream is Restore for a text that comes in pieces, such as session.Stream.Text: a token that is split across pieces is put
// back too.
func (v *Vault) Stream(pieces iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		held := ""
		for piece, err := range pieces {
			if err != nil {
				if held != "" && !yield(v.Restore(held), nil) {
					return
				}
				if held = ""; !yield(piece, err) {
					return
				}
				continue
			}
			held += piece
			n := len(held)
			if i := strings.LastIndexByte(held, '['); i >= 0 && len(held)-i < maxLabel && !strings.Contains(held[i:], "]") {
				n = i
			}
			ready := held[:n]
			if held = held[n:]; ready != "" && !yield(v.Restore(ready), nil) {
				return
			}
		}
		if held != "" {
			yield(v.Restore(held), nil)
		}
	}
}

// Len is the number of values.
func (v *Vault) Len() int {
	if v == nil {
		return 0
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.texts)
}

// Forget empties the Vault: no token of before can be put back.
func (v *Vault) Forget() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.tokens)
	clear(v.texts)
}

// String and GoString show nothing of the contents.
func (v *Vault) String() string { return "[vault]" }

// GoString is for %#v.
func (v *Vault) GoString() string { return "pii.Vault{...}" }

type vaultKey struct{}

// WithVault gives the calls that are made with ctx a Vault for their tokens. Nothing but the plugin takes it out of ctx.
func WithVault(ctx context.Context, v *Vault) context.Context {
	return context.WithValue(ctx, vaultKey{}, v)
}

func vaultOf(ctx context.Context) *Vault {
	v, _ := ctx.Value(vaultKey{}).(*Vault)
	return v
}
