package config_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
)

// word says what it does not like.
type word string

func (w *word) UnmarshalText(b []byte) error {
	if string(b) != "good" {
		return fmt.Errorf("bad word %q", b)
	}
	*w = word(b)
	return nil
}

// counted wraps what the decoder says.
type counted int

func (c *counted) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	if err := decode((*int)(c)); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

// panicky panics with what it was given.
type panicky string

func (*panicky) UnmarshalText(b []byte) error { panic(string(b)) }

// wordy is a Secret with words about it.
type wordy struct{ config.Secret }

func (w *wordy) UnmarshalYAML(ctx context.Context, decode func(any) error) error {
	if err := w.Secret.UnmarshalYAML(ctx, decode); err != nil {
		var text string
		_ = decode(&text)
		return fmt.Errorf("not %s: %w", text, err)
	}
	return nil
}

type decodedSettings struct {
	Wait    time.Duration
	Since   time.Time
	Until   *time.Time
	Days    []time.Time
	Word    word
	Words   map[string]word
	Counted counted
	Panicky panicky
	Wordy   wordy
	Marked  marked
	Rules   []*decodedRule
	Inline  decodedInline `yaml:",inline"`
}

type decodedRule struct {
	After    time.Duration  `yaml:"after"`
	Severity chain.Severity `yaml:"severity"`
	Limit    int            `yaml:"max_limit"`
	Small    int8
	On       bool
	Names    []string
	By       map[string]decodedRule
	hidden   time.Duration //nolint:unused // no setting, whatever a file says
}

type decodedInline struct {
	Share float64 `yaml:"share"`
}

// marked says what it wants.
type marked string

var errMarked = errors.New("write it as one word")

func (*marked) UnmarshalText([]byte) error {
	return fmt.Errorf("hunter2: %w", config.Showable(errMarked))
}

// A setting that its own decoder refuses is an error with its place, in which its value does not show.
func TestErrorsOfDecodersAreHidden(t *testing.T) {
	const opaque = "the value does not fit"
	const unit = "a duration is written with its unit"
	const noTime = "a time must be written such as"
	for name, tc := range map[string]struct{ config, at, want string }{
		"a duration":          {"wait: hunter2", "5:11", "wait: " + unit},
		"a time":              {"since: hunter2", "5:12", "since: " + noTime},
		"a number for a time": {"since: 7", "5:12", noTime},
		"a list for a time":   {"since: [hunter2]", "5:12", noTime},
		"a pointer to a time": {"until: hunter2", "5:12", noTime},
		"a list of times":     {"days: [2026-01-31, hunter2]", "5:24", "days[1]: " + noTime},
		"a word":              {"word: hunter2", "5:11", "word: " + opaque},
		"a map of words":      {"words: {a: hunter2}", "5:16", "words.a: " + opaque},
		"a wrapped error":     {"counted: hunter2", "5:14", "counted: must be a whole number, it is a text"},
		"a panic":             {"panicky: hunter2", "5:14", "panicky: " + opaque},
		"a wrapped secret":    {"wordy: hunter2", "5:12", "wordy: a secret is given as {env: NAME}"},
		"a marked error":      {"marked: hunter2", "5:13", "marked: write it as one word"},
		"without a unit":      {"rules: [{}, {after: 24}]", "5:25", "rules[1].after: " + unit},
		"a severity":          {"rules: [{severity: hunter2}]", "5:24", "rules[0].severity: a severity is one of info, warning, error and critical"},
		"a text for a number": {"rules: [{by: {a: {max_limit: hunter2}}}]", "5:34", "rules[0].by.a.max_limit: must be a whole number, it is a text"},
		"a number too large":  {"rules: [{small: 300}]", "5:21", "rules[0].small: 300 is out of range"},
		"a text for a bool":   {"rules: [{on: hunter2}]", "5:18", "rules[0].on: must be true or false, it is a text"},
		"a list for a number": {"rules: [{max_limit: [hunter2]}]", "5:25", "rules[0].max_limit: must be a whole number, it is a list"},
		"a mapping":           {"rules: {max_limit: hunter2}", "5:12", "rules: must be a list, it is a mapping of names to values"},
		"a text for a list":   {"rules: [{names: hunter2}]", "5:21", "rules[0].names: must be a list, it is a text"},
		"inline":              {"share: hunter2", "5:12", "share: must be a number, it is a text"},
		"an unknown key":      {"rules: [{max_limt: 1}]", "5:14", `rules[0]: unknown field "max_limt"`},
		"a hidden field":      {"rules: [{hidden: 1}]", "5:14", `rules[0]: unknown field "hidden"`},
		"empty beside it":     {"until:\n    rules: [{after: , on: 7}]", "6:27", "rules[0].on: must be true or false"},
		"the second of two":   {"word: good\n    wait: hunter2", "6:11", "wait: " + unit},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			config.Register(e.kinds, "decoded", func(decodedSettings) (any, error) { return &tag{}, nil })
			_, err := config.PreviewBytes("m.yaml", []byte("plugins:\n- name: a\n  kind: decoded\n  config:\n    "+tc.config+"\n"), e.kinds)
			at, ok := errors.AsType[*config.Error](err)
			if !ok || !strings.HasPrefix(at.Error(), "m.yaml:"+tc.at+`: config of plugin "a": `) || !strings.Contains(at.Message, tc.want) {
				t.Fatalf("got %v\nwant it at %s: %s", err, tc.at, tc.want)
			}
			for cause := err; cause != nil; cause = errors.Unwrap(cause) {
				if strings.Contains(cause.Error(), "hunter2") {
					t.Errorf("the value shows in %v", cause)
				}
			}
			if strings.Contains(fmt.Sprintf("%+v", at.Err), "hunter2") {
				t.Errorf("the value shows in the cause %v", at.Err)
			}
		})
	}
}

// A time is read in the forms of YAML, whether quoted or not.
func TestTimeSettings(t *testing.T) {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-01-31T12:00:00Z":        noon,
		`"2026-01-31T14:00:00+02:00"`: noon,
		"2026-01-31 12:00:00":         noon,
		"2026-01-31":                  noon.Add(-12 * time.Hour),
		"":                            {},
	} {
		e := newEnv(t)
		var got decodedSettings
		config.Register(e.kinds, "decoded", func(s decodedSettings) (any, error) { got = s; return &tag{}, nil })
		_, err := config.PreviewBytes("m.yaml", []byte("plugins:\n- name: a\n  kind: decoded\n  config:\n    since: "+text+"\n"), e.kinds)
		if err != nil || !got.Since.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got.Since, err, want)
		}
	}
}
