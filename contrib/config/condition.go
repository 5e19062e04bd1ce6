package config

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/samber/lo"

	"github.com/maillon-go/maillon/stages"
)

// condition is one alternative of a plugin's conditions: all that it says must hold.
type condition struct {
	globs    []glob
	labels   map[string]string
	metadata map[string]string
}

// glob is a pattern for something that a call has.
type glob struct {
	of      func(s *stages.Subject) string
	pattern string
}

var subjects = map[string]func(s *stages.Subject) string{
	"model":          func(s *stages.Subject) string { return s.Model },
	"provider":       func(s *stages.Subject) string { return s.Provider },
	"component_kind": func(s *stages.Subject) string { return s.Meta.ComponentKind },
	"component_name": func(s *stages.Subject) string { return s.Meta.ComponentName },
	"tool":           func(s *stages.Subject) string { return s.Tool },
	"user":           func(s *stages.Subject) string { return s.Meta.UserID },
}

// conditionOf reads one alternative.
func conditionOf(f fields) condition {
	c := condition{labels: map[string]string{}, metadata: map[string]string{}}
	for _, name := range f.names {
		if of := subjects[name]; of != nil {
			c.globs = append(c.globs, glob{of, f.text(name)})
		}
	}
	for name, into := range map[string]map[string]string{"labels": c.labels, "metadata": c.metadata} {
		g := f.fields(name)
		for _, key := range g.names {
			into[key] = g.text(key)
		}
	}
	return c
}

// empty says that it would hold for all calls, and so make the other ones idle.
func (c condition) empty() bool { return len(c.globs)+len(c.labels)+len(c.metadata) == 0 }

func (c condition) holds(s *stages.Subject) bool {
	for _, g := range c.globs {
		if !match(g.pattern, g.of(s)) {
			return false
		}
	}
	for key, pattern := range c.labels {
		if v, ok := s.Meta.Labels.Get(key); !ok || !match(pattern, v) {
			return false
		}
	}
	for key, pattern := range c.metadata {
		if v, ok := s.Meta.Metadata.Get(key); !ok || !match(pattern, fmt.Sprint(v)) {
			return false
		}
	}
	return true
}

// anyOf holds when one of the conditions does.
func anyOf(cs []condition) func(context.Context, stages.Subject) bool {
	return func(_ context.Context, s stages.Subject) bool {
		return lo.ContainsBy(cs, func(c condition) bool { return c.holds(&s) })
	}
}

// match says whether all of s fits the pattern, in which * stands for any text, ? for any one character and a backslash
// takes the meaning from the character behind it. What is empty fits nothing: the call has no such thing. It takes time
// for the product of the lengths at most.
func match(pattern, s string) bool {
	if s == "" {
		return false
	}
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		want, width := utf8.DecodeRuneInString(pattern[p:])
		got, size := utf8.DecodeRuneInString(s[i:])
		if want == '*' {
			star, mark = p, i
			p++
			continue
		}
		wild := want == '?'
		if want == '\\' && p+width < len(pattern) {
			var escaped int
			want, escaped = utf8.DecodeRuneInString(pattern[p+width:])
			width += escaped
		}
		// Bytes that are no UTF-8 all decode to the same, so that the text is compared.
		if width > 0 && (wild || want == got && strings.HasSuffix(pattern[p:p+width], s[i:i+size])) {
			p, i = p+width, i+size
			continue
		}
		if star < 0 {
			return false
		}
		_, size = utf8.DecodeRuneInString(s[mark:])
		mark += size
		p, i = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}
