package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Error is one thing that is wrong with a file. What is wrong in several places is joined: errors.As finds the first.
type Error struct {
	File         string
	Line, Column int    // from 1
	Snippet      string // the line, without values of a plugin's own settings, which may be secret
	Message      string
	Hint         string // what to do, or ""
	Err          error  // the cause, or nil
}

// Error has the place, what is wrong, the hint and the line with a mark.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	if e.Snippet != "" {
		number := fmt.Sprint(e.Line)
		blank := strings.Repeat(" ", len(number))
		fmt.Fprintf(&b, "\n  %s | %s", number, e.Snippet)
		if e.Column <= len(e.Snippet)+1 {
			fmt.Fprintf(&b, "\n  %s | %s^", blank, strings.Repeat(" ", e.Column-1))
		}
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// maxErrors is how many things are said about one file.
const maxErrors = 20

// maxSnippet is how much of a line is shown, in bytes.
const maxSnippet = 120

// problems are what was found out about a file so far.
type problems struct {
	file  string
	lines []string
	list  []*Error
	// secret are the lines that may be of plugins' own settings: what stands behind the colon is not shown.
	secret map[int]bool
}

func newProblems(file string, data []byte) *problems {
	return &problems{file: file, lines: strings.Split(string(data), "\n"), secret: map[int]bool{}}
}

// add notes a problem at a node.
func (p *problems) add(n ast.Node, hint, format string, a ...any) {
	line, column := place(n)
	p.at(line, column, hint, fmt.Sprintf(format, a...))
}

// because notes a problem that has a cause.
func (p *problems) because(n ast.Node, cause error, format string, a ...any) {
	p.add(n, "", format, a...)
	p.last().Err = cause
}

func (p *problems) last() *Error { return p.list[len(p.list)-1] }

func (p *problems) at(line, column int, hint, message string) {
	p.list = append(p.list, &Error{File: p.file, Line: max(line, 1), Column: max(column, 1), Message: message, Hint: hint})
}

// unread notes a problem of a file whose tree is not known, so that any line may be of a plugin's own settings.
func (p *problems) unread(line, column int, hint, message string) {
	p.at(line, column, hint, message)
	p.secret[p.last().Line] = true
}

func (p *problems) snippet(line int) string {
	if line > len(p.lines) {
		return ""
	}
	s := strings.TrimRight(strings.ReplaceAll(p.lines[line-1], "\t", " "), "\r ")
	if p.secret[line] {
		before, _, colon := strings.Cut(s, ":")
		if s = "..."; colon {
			s = before + ": ..."
		}
	}
	if len(s) > maxSnippet {
		s = s[:maxSnippet]
		for !utf8.ValidString(s) && len(s) > 0 {
			s = s[:len(s)-1]
		}
		s += "..."
	}
	return s
}

// err joins what was found, in the order of the file.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b *Error) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	var errs []error
	for i, e := range p.list {
		if i == maxErrors {
			errs = append(errs, fmt.Errorf("%s: and %d more", p.file, len(p.list)-i))
			break
		}
		e.Snippet = p.snippet(e.Line) // not before all of the file is read: what follows in the line may be secret
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// place is where a node begins.
func place(n ast.Node) (line, column int) {
	var t *token.Token
	switch n := n.(type) {
	case nil:
		return 1, 1
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return place(n.Values[0])
		}
		t = n.Start
	case *ast.MappingValueNode:
		return place(n.Key)
	default:
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return t.Position.Line, t.Position.Column
}

// nearest is a hint that names the candidate nearest to what was written, if one is near enough to be meant.
func nearest(written string, candidates []string) string {
	if best := near(written, candidates); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return oneOf(candidates)
}

// near is the candidate nearest to what was written, or "".
func near(written string, candidates []string) string {
	best, distance := "", 0
	for _, c := range candidates {
		if d := edits(strings.ToLower(written), strings.ToLower(c)); best == "" || d < distance {
			best, distance = c, d
		}
	}
	if best == "" || distance > max(2, len(written)/2) {
		return ""
	}
	return best
}

func oneOf(candidates []string) string {
	if len(candidates) == 0 {
		return ""
	}
	return "there is: " + strings.Join(candidates, ", ")
}

// edits is how many letters must be added, taken away or replaced to turn a into b. What is long is not compared.
func edits(a, b string) int {
	const long = 64
	if len(a) > long || len(b) > long {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
