package config

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// misfit is the innermost of a plugin's own settings that does not fit its type.
type misfit struct {
	node ast.Node
	path string // as the file names it, such as limits[0].window
	err  error  // what its decoder says of it alone
}

// misfitOf looks for the setting that is the reason why n cannot be decoded as t; nil if it can be.
func misfitOf(ctx context.Context, n ast.Node, t reflect.Type, path string) *misfit {
	if _, null := n.(*ast.NullNode); null {
		return nil
	}
	t = deref(t)
	_, err := contained(func() (any, error) { return nil, decodeNode(ctx, n, reflect.New(t).Interface()) })
	if err == nil {
		return nil
	}
	if decodesItself(t) {
		return &misfit{n, path, err}
	}
	var inner *misfit
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		for _, pair := range pairs(n) {
			of, ok := memberType(t, raw(pair.Key))
			if !ok {
				continue
			}
			if inner = misfitOf(ctx, pair.Value, of, strings.TrimPrefix(path+"."+clip(raw(pair.Key)), ".")); inner != nil {
				return inner
			}
		}
	case reflect.Slice, reflect.Array:
		items, _ := n.(*ast.SequenceNode)
		if items == nil {
			break
		}
		for i, item := range items.Values {
			if inner = misfitOf(ctx, item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); inner != nil {
				return inner
			}
		}
	}
	return &misfit{n, path, err}
}

func nodeInWords(t ast.NodeType) string {
	switch t {
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "a mapping of names to values"
	case ast.StringType, ast.LiteralType:
		return "a text"
	}
	return "a " + t.YAMLName()
}

// decodesItself says that the parts of a value of type t are its own affair.
func decodesItself(t reflect.Type) bool {
	switch reflect.New(t).Interface().(type) {
	case yaml.BytesUnmarshaler, yaml.BytesUnmarshalerContext, yaml.InterfaceUnmarshaler, yaml.InterfaceUnmarshalerContext,
		yaml.NodeUnmarshaler, yaml.NodeUnmarshalerContext, encoding.TextUnmarshaler:
		return true
	}
	return false
}

// memberType is the type of what a file calls key.
func memberType(t reflect.Type, key string) (reflect.Type, bool) {
	if t.Kind() == reflect.Map {
		return t.Elem(), true
	}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if of := deref(f.Type); options == "inline" && of.Kind() == reflect.Struct {
			if m, ok := memberType(of, key); ok {
				return m, true
			}
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		if f.IsExported() && name == key {
			return f.Type, true
		}
	}
	return nil, false
}

// words are what is wrong, without the value.
func (m *misfit) words() string {
	if s, ok := errors.AsType[*showable](m.err); ok {
		return s.Error()
	}
	if e, ok := errors.AsType[*yaml.TypeError](m.err); ok {
		return fmt.Sprintf("must be %s, it is %s", typeInWords(e.DstType), typeInWords(e.SrcType))
	}
	if e, ok := errors.AsType[*yaml.UnexpectedNodeTypeError](m.err); ok {
		return fmt.Sprintf("must be %s, it is %s", nodeInWords(e.Expected), nodeInWords(e.Actual))
	}
	if e, ok := errors.AsType[*yaml.OverflowError](m.err); ok {
		return fmt.Sprintf("%s is out of range", e.SrcNum)
	}
	var y yaml.Error
	if errors.As(m.err, &y) {
		return y.GetMessage()
	}
	return "the value does not fit"
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// typeInWords is what a value of a type is in a file.
func typeInWords(t reflect.Type) string {
	if t == nil {
		return "empty"
	}
	t = deref(t)
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if t == reflect.TypeFor[time.Duration]() {
			return "a duration"
		}
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping of names to values"
	case reflect.String:
		return "a text"
	}
	return "something else"
}
