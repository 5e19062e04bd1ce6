package session

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/maillon-go/maillon/stages"
)

// LengthUnit is what MaxLength and MinLength count.
type LengthUnit string

// The units of length.
const (
	InRunes LengthUnit = "characters" // code points of Unicode
	InWords LengthUnit = "words"      // what white space separates
	// InSentences counts what ends in one of .!?… before white space, in one of 。！？, or with the text, and has a letter or
	// a digit in it. It knows no abbreviations: "at 6 a.m. sharp" counts as two.
	InSentences LengthUnit = "sentences"
)

// MaxLength asks for at most n characters, words or sentences. A stream is stopped by the one that is too many.
func MaxLength(n int, unit LengthUnit) stages.Requirement {
	return ofText(fmt.Sprintf("Use at most %s.", unit.count(n)), func(text string, _ bool) (stages.Verdict, error) {
		have, err := unit.of(text)
		switch {
		case err != nil:
			return stages.Verdict{}, err
		case have > n:
			return stages.Verdict{Ruling: stages.Fail, Reason: fmt.Sprintf("it has more than %s", unit.count(n))}, nil
		}
		return stages.Verdict{}, nil
	}, stages.Verdict{Ruling: stages.Pass})
}

// MinLength asks for at least n characters, words or sentences.
func MinLength(n int, unit LengthUnit) stages.Requirement {
	return ofText(fmt.Sprintf("Use at least %s.", unit.count(n)), func(text string, _ bool) (stages.Verdict, error) {
		have, err := unit.of(text)
		if err != nil || have < n {
			return stages.Verdict{}, err
		}
		return stages.Verdict{Ruling: stages.Pass}, nil
	}, stages.Verdict{Ruling: stages.Fail, Reason: fmt.Sprintf("it has fewer than %s", unit.count(n))})
}

// ofText makes a requirement of a function that decides on a text as soon as it can, whatever follows; final says that
// nothing does. Where it is Unknown to the end, undecided is the verdict.
func ofText(description string, decide func(text string, final bool) (stages.Verdict, error), undecided stages.Verdict) stages.Requirement {
	check := func(text string, final bool) (stages.Verdict, error) {
		if !final {
			text = wholeRunes(text)
		}
		v, err := decide(text, final)
		if err == nil && v.Ruling == stages.Unknown && final {
			return undecided, nil
		}
		return v, err
	}
	return stages.Requirement{
		Description: description,
		Check:       func(_ context.Context, t stages.Target) (stages.Verdict, error) { return check(t.Output.Text, true) },
		CheckPrefix: func(_ context.Context, text string, final bool) (stages.Verdict, error) { return check(text, final) },
	}
}

// wholeRunes is the text without a character at its end of which bytes are missing.
func wholeRunes(text string) string {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax+1); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRuneInString(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}

// count is a number of units, in words.
func (u LengthUnit) count(n int) string {
	if n == 1 {
		return "1 " + strings.TrimSuffix(string(u), "s")
	}
	return fmt.Sprintf("%d %s", n, u)
}

// of is the length of a text. It never shrinks when text is added.
func (u LengthUnit) of(text string) (int, error) {
	switch u {
	case InRunes:
		return utf8.RuneCountInString(text), nil
	case InWords:
		return len(strings.Fields(text)), nil
	case InSentences:
		return sentences(text), nil
	}
	return 0, fmt.Errorf("%w: length unit %q", ErrOption, u)
}

func sentences(text string) (n int) {
	const wide, narrow, closing = "。！？", ".!?…", "\"'”’»)]"
	said, ended := false, false // in the present sentence: a letter or digit; its end, if white space follows
	for _, c := range text {
		switch {
		case strings.ContainsRune(wide, c), ended && unicode.IsSpace(c):
			said, ended = false, false
		case strings.ContainsRune(narrow, c):
			ended = true
		case ended && strings.ContainsRune(closing, c):
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			if !said {
				n++
			}
			said, ended = true, false
		default:
			ended = false
		}
	}
	return n
}
