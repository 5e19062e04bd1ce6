package config

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/samber/lo"
)

// value is one of a file that fits its shape: a string, int, bool, time.Duration, []value, fields or, of a free one, nil.
type value struct {
	node ast.Node
	v    any
}

// fields are the keys of an object or a mapping.
type fields struct {
	names []string // as in the file
	keys  map[string]ast.Node
	by    map[string]value
}

func (v value) text() string                   { s, _ := v.v.(string); return s }
func (v value) fields() fields                 { f, _ := v.v.(fields); return f }
func (v value) list() []value                  { l, _ := v.v.([]value); return l }
func (f fields) text(name string) string       { return f.by[name].text() }
func (f fields) list(name string) []value      { return f.by[name].list() }
func (f fields) fields(name string) fields     { return f.by[name].fields() }
func (f fields) get(name string) (value, bool) { v, ok := f.by[name]; return v, ok }

func (f fields) texts(name string) []string {
	return lo.Map(f.list(name), func(v value, _ int) string { return v.text() })
}

// read checks a node against a shape and notes everything that does not fit.
func (p *problems) read(n ast.Node, s *shape, what string) (out value, ok bool) {
	s = s.resolved()
	out.node = n
	switch s.form {
	case free:
		p.hide(n)
		return out, true
	case object, mapping:
		return p.readFields(n, s, what)
	case list:
		seq, isList := n.(*ast.SequenceNode)
		if !isList {
			p.add(n, "a list has a line with a dash for each item", "%s must be a list, it is %s", what, describe(n))
			return out, false
		}
		items := []value{}
		ok = true
		for _, item := range seq.Values {
			v, fits := p.read(item, s.item, "an item of "+what)
			items, ok = append(items, v), ok && fits
		}
		out.v = items
		return out, ok
	}
	out.v = p.readScalar(n, s, what)
	return out, out.v != nil
}

func (p *problems) readScalar(n ast.Node, s *shape, what string) any {
	written, isText := textOf(n)
	switch s.form {
	case text:
		if !isText {
			p.add(n, "quote it", "%s must be a text, it is %s", what, describe(n))
			return nil
		}
		if written == "" {
			p.add(n, "", "%s is empty", what)
			return nil
		}
		return written
	case choice:
		if !isText {
			p.add(n, oneOf(s.choiceNames()), "%s must be a word, it is %s", what, describe(n))
			return nil
		}
		if !lo.Contains(s.choiceNames(), written) {
			p.add(n, nearest(written, s.choiceNames()), "unknown %s %q", what, clip(written))
			return nil
		}
		return written
	case duration:
		d, err := time.ParseDuration(written)
		switch {
		case !isText || err != nil:
			p.add(n, "such as 500ms, 2s or 1m", "%s must be a duration, it is %s", what, describe(n))
			return nil
		case d <= 0:
			p.add(n, "", "%s must be above zero", what)
			return nil
		}
		return d
	case number:
		i, err := strconv.ParseInt(raw(n), 10, 64)
		if _, isNumber := n.(*ast.IntegerNode); !isNumber || err != nil || i > math.MaxInt32 || i < math.MinInt32 {
			p.add(n, "", "%s must be a whole number, it is %s", what, describe(n))
			return nil
		}
		return int(i)
	default:
		b, isBool := n.(*ast.BoolNode)
		if !isBool {
			p.add(n, "", "%s must be true or false, it is %s", what, describe(n))
			return nil
		}
		return b.Value
	}
}

func (p *problems) readFields(n ast.Node, s *shape, what string) (out value, ok bool) {
	out.node = n
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		p.add(n, "", "%s must be a mapping of names to values, it is %s", what, describe(n))
		return out, false
	}
	f := fields{keys: map[string]ast.Node{}, by: map[string]value{}}
	ok = true
	for _, pair := range pairs(n) {
		if len(p.list) > 2*maxErrors {
			p.hide(n)
			return out, false
		}
		name, isText := textOf(pair.Key)
		if _, twice := f.keys[name]; twice || !isText {
			if isText {
				p.add(pair.Key, "", "%q is there twice", clip(name))
			} else {
				p.add(pair.Key, "quote it", "a key must be a text, it is %s", describe(pair.Key))
			}
			ok = false
			continue
		}
		f.keys[name] = pair.Key
		item := s.item
		if s.form == object {
			d, known := lo.Find(s.fields, func(d field) bool { return d.name == name })
			if !known {
				p.add(pair.Key, nearest(name, s.names()), "unknown key %q in %s", clip(name), what)
				if _, null := pair.Value.(*ast.NullNode); !null { // settings that are misplaced, perhaps
					p.hide(pair.Value)
				}
				ok = false
				continue
			}
			item = &d.shape
		}
		if _, null := pair.Value.(*ast.NullNode); null && item.form >= list {
			continue // nothing below it, or only comments
		}
		v, fits := p.read(pair.Value, item, name)
		f.names, f.by[name], ok = append(f.names, name), v, ok && fits
	}
	for _, d := range s.fields {
		if _, there := f.by[d.name]; d.required && !there && f.keys[d.name] == nil {
			p.add(n, "", "%s has no %s", what, d.name)
			ok = false
		}
	}
	out.v = f
	return out, ok
}

// pairs are those of a mapping, none of anything else.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// hide keeps the lines of a plugin's own settings out of errors.
func (p *problems) hide(n ast.Node) {
	first, _ := place(n)
	h := &extent{last: first}
	ast.Walk(h, n)
	for line := first; line <= h.last; line++ {
		p.secret[line] = true
	}
}

// extent finds the last line of a tree.
type extent struct{ last int }

func (e *extent) Visit(n ast.Node) ast.Visitor {
	if t := n.GetToken(); t != nil && t.Position != nil {
		e.last = max(e.last, t.Position.Line+strings.Count(t.Origin, "\n"))
	}
	return e
}

// textOf is the text of a scalar that is one.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

func raw(n ast.Node) string {
	if t := n.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "empty"
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return clip(raw(n))
	}
	s, _ := textOf(n)
	return strconv.Quote(clip(s))
}

// clip shortens what is shown of a file.
func clip(s string) string {
	const most = 40
	if r := []rune(s[:min(len(s), 4*most)]); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
