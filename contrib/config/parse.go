package config

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file, so that a hostile one costs little.
const (
	MaxFileSize = 256 << 10 // bytes
	MaxDepth    = 24        // of nested lists and mappings
	MaxPlugins  = 1000      // in one file, groups included
	maxTokens   = 40_000    // the parser's time grows faster than their number
)

// parse gives the tree of a file. Anchors, aliases, merge keys, tags and further documents are refused: none is needed, and
// each has been used to make small files big.
func parse(p *problems, data []byte) (root ast.Node) {
	defer func() {
		if v := recover(); v != nil { // of the parser
			p.unread(1, 1, "", fmt.Sprintf("the YAML parser failed: %v", v))
			root = nil
		}
	}()
	if len(data) > MaxFileSize {
		p.unread(1, 1, "split it, or put data elsewhere", fmt.Sprintf("the file has %d bytes, at most %d are read", len(data), MaxFileSize))
		return nil
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		p.unread(1+bytes.Count(data[:i], []byte("\n")), 1, "is it a text file?", "the file has a zero byte")
		return nil
	}
	if !scan(p, data) {
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > maxTokens {
		t := tokens[maxTokens].Position
		p.unread(t.Line, t.Column, "split it", fmt.Sprintf("more than %d words and signs", maxTokens))
		return nil
	}
	documents := 0
	for _, t := range tokens {
		if t.Type == token.DocumentHeaderType {
			documents++
		}
		if t.Type == token.DocumentEndType && t.Next != nil && t.Next.Type != token.CommentType { // the parser would skip it
			p.unread(t.Position.Line, t.Position.Column, "use one file for each", "something after the end of the document")
			return nil
		}
		if documents > 1 || documents == 1 && t.Type == token.DocumentHeaderType && t.Prev != nil && t.Prev.Type != token.CommentType {
			p.unread(t.Position.Line, t.Position.Column, "use one file for each", "a second document")
			return nil
		}
		if what := refused(t); what != "" {
			p.unread(t.Position.Line, t.Position.Column, "write it out", what+" are not supported")
			return nil
		}
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		p.syntax(err)
		return nil
	}
	if len(file.Docs) == 0 {
		return nil
	}
	return file.Docs[0].Body
}

func refused(t *token.Token) string {
	switch t.Type {
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		return "anchors, aliases and merge keys"
	case token.TagType:
		return "tags"
	case token.DirectiveType:
		return "directives"
	}
	return ""
}

// scan looks for nesting that is too deep before the parser, which recurses, sees it. It counts brackets and dashes as if
// there were no strings, so it errs on the strict side.
func scan(p *problems, data []byte) bool {
	const indent = 8 * MaxDepth
	depth := 0
	for i, line := range bytes.Split(data, []byte("\n")) {
		at, dashes := 0, 0
		for at < len(line) && (line[at] == ' ' || line[at] == '-' || line[at] == '?') {
			if line[at] != ' ' {
				dashes++
			}
			at++
		}
		for j, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > MaxDepth {
				p.unread(i+1, j+1, "", fmt.Sprintf("nested deeper than %d", MaxDepth))
				return false
			}
		}
		if dashes > MaxDepth && at < len(line) || at > indent && at < len(line) {
			p.unread(i+1, at+1, "", fmt.Sprintf("nested deeper than %d", MaxDepth))
			return false
		}
	}
	return true
}

// syntax notes an error of the parser or the decoder at its place.
func (p *problems) syntax(err error) {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		p.unread(1, 1, "", "not valid YAML")
		p.last().Err = err
		return
	}
	t := y.GetToken().Position
	p.unread(t.Line, t.Column, "", y.GetMessage())
}
