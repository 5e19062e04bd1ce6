package clean

import (
	"strconv"
	"testing"
)

func TestTexts(t *testing.T) {
	texts := New()
	keys := map[uint64]string{}
	for i := range 3 * size {
		text := strconv.Itoa(i)
		key := texts.Key(text)
		if texts.Has(key) {
			t.Fatalf("%s is there before it was added", text)
		}
		texts.Add(key)
		if !texts.Has(texts.Key(text)) {
			t.Errorf("%s was added and is not there", text)
		}
		keys[key] = text
	}
	there := 0
	for key := range keys {
		if texts.Has(key) {
			there++
		}
	}
	if there > size || there < size/2 {
		t.Errorf("%d of %d are remembered, want most of %d", there, len(keys), size)
	}
}

// What a text depends on is told apart from it, and from another plugin's.
func TestKey(t *testing.T) {
	texts := New()
	seen := map[uint64]bool{}
	for _, key := range []uint64{
		texts.Key("ab"), texts.Key("b", "a"), texts.Key("", "ab"), texts.Key("", "a", "b"), texts.Key("b", "", "a"), texts.Key("ab", ""), New().Key("ab"),
	} {
		if seen[key] {
			t.Error("two keys are the same")
		}
		seen[key] = true
	}
}
