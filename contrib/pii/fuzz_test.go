package pii

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// everything is a Scanner for each action that leaves something in the place of a match.
func everything(tb testing.TB) map[Action]*Scanner {
	tb.Helper()
	all := map[Action]*Scanner{}
	for _, a := range []Action{Redact, Mask, Hash, Token} {
		s, err := NewScanner(Settings{
			Action: a, HashKey: []byte("0123456789abcdef"), Patterns: []Pattern{{Name: "customer", Regexp: `CU-\d{6}`}},
		})
		if err != nil {
			tb.Fatal(err)
		}
		all[a] = s
	}
	return all
}

// inChunks puts a text through the chunk link as the session does, and gives what was released.
func inChunks(tb testing.TB, s *Scanner, v *Vault, chunks []string) string {
	tb.Helper()
	var before, raw, out string
	for i, more := range chunks {
		final := i == len(chunks)-1
		raw += more
		p := &pass{Scanner: s, vault: v}
		text := p.chunk(before, raw, final)
		if !strings.HasPrefix(text, out) {
			tb.Fatalf("changed its mind about %q: %q", out, text)
		}
		n := len(text)
		if !final {
			n = max(runesBefore(text, len(text), window), len(out))
		}
		out = text[:n]
		// The session drops what need not be seen again.
		at := runesBefore(raw, len(raw), window)
		same := runesBefore(raw, len(raw), 2*window)
		if raw != text && (!strings.HasSuffix(text, raw[same:]) || utf8.RuneCountInString(raw[same:]) < 2*window) {
			continue
		}
		if cut := len(text) - (len(raw) - at); cut <= len(out) {
			before, out, raw = before+text[:cut], out[cut:], raw[at:]
		}
	}
	return before + out
}

// cutUp gives pieces of whole runes, which is what chunk links get.
func cutUp(text string, r *rand.Rand) (chunks []string) {
	most := 1 + r.IntN(80)
	for text != "" {
		n := 0
		for range 1 + r.IntN(most) {
			if n < len(text) {
				_, size := utf8.DecodeRuneInString(text[n:])
				n += size
			}
		}
		chunks = append(chunks, text[:n])
		text = text[n:]
	}
	return append(chunks, "")
}

func holds(t *testing.T, scanners map[Action]*Scanner, text string, seed uint64) {
	t.Helper()
	for action, s := range scanners {
		v := NewVault(0)
		end := 0
		matches := s.Find(text)
		for _, m := range matches {
			if m.Start < end || m.End <= m.Start || m.End > len(text) {
				t.Fatalf("%v is out of bounds or overlaps", m)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[m.Start:m.End]) {
				t.Fatalf("%v cuts a character", m)
			}
			end = m.End
		}
		once := s.replace(text, s.find(text, 0), v)
		if again := s.replace(once, s.find(once, 0), v); again != once && !gluedMail(s, once) {
			t.Fatalf("%s: redacting twice: %q, %q, %q", action, text, once, again)
		}
		if (once == text) != (len(matches) == 0) && action != Mask {
			t.Fatalf("%d matches, but %q", len(matches), once)
		}
		if action == Token && v.Restore(once) != text {
			t.Fatalf("restored %q, want %q", v.Restore(once), text)
		}
		chunks := cutUp(text, rand.New(rand.NewPCG(seed, 1)))
		if got := inChunks(t, s, v, chunks); got != once {
			t.Fatalf("%s: in chunks %q: %q, want %q", action, chunks, got, once)
		}
	}
}

// gluedMail says that all that is found in a text is addresses in front of what stands there for something else: the one case in
// which redacting twice is not the same as once, where something long was glued to an address.
func gluedMail(s *Scanner, once string) bool {
	for _, m := range s.Find(once) {
		if m.Detector != Email || m.End == len(once) || once[m.End] != '*' && s.labels.at(once, m.End) == 0 {
			return false
		}
	}
	return true
}

// TestTouching redacts things that are glued together twice.
func TestTouching(t *testing.T) {
	parts := strings.Split("- . : / @ = + ( ) 1 a key= CU-123456 _ ,", " ")
	for _, text := range seeds(t) {
		for _, m := range Default().Find(text) {
			parts = append(parts, text[m.Start:m.End])
		}
	}
	scanners := everything(t)
	r := rand.New(rand.NewPCG(7, 11))
	n, differ := 60000, 0
	if testing.Short() {
		n = 6000
	}
	for range n {
		var b strings.Builder
		for range 2 + r.IntN(3) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		for action, s := range scanners {
			once := s.Redact(b.String())
			again := s.Redact(once)
			if again == once {
				continue
			}
			if differ++; !gluedMail(s, once) {
				t.Errorf("%s: %q, %q, %q", action, b.String(), once, again)
			}
		}
	}
	if all := n * len(scanners); differ > all/5000 {
		t.Errorf("%d of %d differ", differ, all)
	}
}

// FuzzScanner checks what must hold for every text: matches are within it and do not overlap, redacting twice changes nothing
// more, but for gluedMail, the vault gives back what was there, and pieces of a stream come out as the whole does.
func FuzzScanner(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text, uint64(len(text)))
	}
	scanners := everything(f)
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		if len(text) > 1<<14 {
			return
		}
		holds(t, scanners, strings.ToValidUTF8(text, "?"), seed)
		for _, s := range scanners {
			s.Redact(text) // invalid text must not panic
			break
		}
	})
}

// TestComposed does the same with texts that are composed of what scanners stumble over.
func TestComposed(t *testing.T) {
	scanners := everything(t)
	parts := append(seeds(t), " ", " ", " ", "-", ".", ":", "/", "@", "\n", "=", "+", "(", ")", "[EMAIL]", "1", "a", "ü", "the ", "key=",
		strings.Repeat("a", 70), strings.Repeat("xY7", 120), "-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----", "CU-123456", "://",
		strings.Repeat("there is nothing here, ", 40), "4111", "AB", "12", "::", "fe80", "*")
	r := rand.New(rand.NewPCG(7, 9))
	n := 4000
	if testing.Short() {
		n = 400
	}
	for range n {
		var b strings.Builder
		for range 1 + r.IntN(9) {
			part := parts[r.IntN(len(parts))]
			if from := r.IntN(len(part)); r.IntN(4) == 0 { // a part of it
				part = strings.ToValidUTF8(part[from:], "")
			}
			b.WriteString(part)
		}
		holds(t, scanners, b.String(), r.Uint64())
	}
}

// seeds are the texts of the corpus.
func seeds(tb testing.TB) (texts []string) {
	tb.Helper()
	for _, file := range []string{"testdata/corpus.txt", "testdata/heldout.txt"} {
		b, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
				texts = append(texts, plain(strings.TrimSuffix(line, "\n")))
			}
		}
	}
	return texts
}
