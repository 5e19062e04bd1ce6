package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/maillon-go/maillon/chain"
)

// Showable marks an error of an UnmarshalText or UnmarshalYAML as one whose text may be shown, since no value of a setting is in
// it, and none of what it wraps: "an amount is written as 5 or 0.15". errors.Is and As see through it. Nil stays nil.
func Showable(err error) error {
	if err == nil {
		return nil
	}
	return &showable{err}
}

type showable struct{ error }

// Unwrap is the cause.
func (s *showable) Unwrap() error { return s.error }

// timestamps are the forms of a time.Time that the YAML decoder knows.
var timestamps = []string{
	"2006-1-2T15:4:5.999999999Z07:00",
	"2006-1-2t15:4:5.999999999Z07:00",
	"2006-1-2 15:4:5.999999999",
	"2006-1-2",
}

// strictTime refuses what is no time: the YAML decoder would make a zero time of it.
var strictTime = yaml.CustomUnmarshaler(func(t *time.Time, b []byte) error {
	var text string
	if err := yaml.Unmarshal(b, &text); err == nil {
		for _, f := range timestamps {
			if got, err := time.Parse(f, text); err == nil {
				*t = got
				return nil
			}
		}
	}
	return Showable(errors.New("a time must be written such as 2026-01-31T12:00:00Z or 2026-01-31"))
})

// strictDuration says what is missing where the YAML decoder would speak of types of Go.
var strictDuration = yaml.CustomUnmarshaler(func(d *time.Duration, b []byte) error {
	var text string
	err := yaml.Unmarshal(b, &text)
	if err == nil {
		*d, err = time.ParseDuration(text)
	}
	if err != nil {
		return Showable(errors.New("a duration is written with its unit, such as 500ms, 30s, 5m or 24h"))
	}
	return nil
})

// strictSeverity names the severities without what was written.
var strictSeverity = yaml.CustomUnmarshaler(func(s *chain.Severity, b []byte) error {
	var text string
	err := yaml.Unmarshal(b, &text)
	if err == nil {
		err = s.UnmarshalText([]byte(text))
	}
	if err != nil {
		return Showable(fmt.Errorf("a severity is one of %v, %v, %v and %v", chain.SeverityInfo, chain.SeverityWarning, chain.SeverityError, chain.SeverityCritical))
	}
	return nil
})
