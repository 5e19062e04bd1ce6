package config

import (
	"errors"
	"time"

	"github.com/goccy/go-yaml"
)

// showable is an error of a setting whose text has no value of a setting in it.
type showable struct{ error }

// Unwrap is the cause.
func (s showable) Unwrap() error { return s.error }

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
	return showable{errors.New("a time must be written such as 2026-01-31T12:00:00Z or 2026-01-31")}
})
