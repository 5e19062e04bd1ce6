package stages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// The JSON form is made of and read into trees: nil, bool, json.Number, string, []any and *object, which keeps the order
// that members came in. The order counts: models are moved by that of a schema's properties.

// object is a JSON object.
type object struct {
	members []member
	index   map[string]int // of members, once there are many
}

type member struct {
	key   string
	value any
}

// few is how many members are searched one by one.
const few = 16

func (o *object) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].key == key {
			return i
		}
	}
	return -1
}

func (o *object) get(key string) (any, bool) {
	if i := o.find(key); i >= 0 {
		return o.members[i].value, true
	}
	return nil, false
}

func (o *object) set(key string, v any) {
	if i := o.find(key); i >= 0 {
		o.members[i].value = v
		return
	}
	o.members = append(o.members, member{key, v})
	switch {
	case o.index != nil:
		o.index[key] = len(o.members) - 1
	case len(o.members) > few:
		o.index = make(map[string]int, 2*few)
		for i, m := range o.members {
			o.index[m.key] = i
		}
	}
}

// parse reads a JSON text. A key that is there twice is an error where unique asks for it, else the last one counts, as in
// encoding/json.
func parse(data []byte, depth int, unique bool) (any, error) {
	if len(data) > MaxWireBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrWireLimit, len(data), MaxWireBytes)
	}
	if !json.Valid(data) { // json.Decoder reads on where this stops
		var v json.RawMessage
		err := json.Unmarshal(data, &v)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("byte %d: %w", syntax.Offset, err)
		}
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	p := parser{dec: dec, left: MaxWireValues, unique: unique}
	return p.next(depth)
}

type parser struct {
	dec    *json.Decoder
	left   int
	unique bool
}

func (p *parser) next(depth int) (any, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	if p.left--; p.left < 0 {
		return nil, fmt.Errorf("%w: more than %d values", ErrWireLimit, MaxWireValues)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth--; depth < 0 {
		return nil, fmt.Errorf("byte %d: %w: nested too deep", p.dec.InputOffset(), ErrWireLimit)
	}
	if open == '[' {
		list := []any{}
		for p.dec.More() {
			n, err := p.next(depth)
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		}
		_, err := p.dec.Token()
		return list, err
	}
	o := &object{}
	for p.dec.More() {
		t, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if p.unique && o.find(key) >= 0 {
			return nil, fmt.Errorf("byte %d: %s is there twice", p.dec.InputOffset(), quote(key))
		}
		n, err := p.next(depth)
		if err != nil {
			return nil, err
		}
		o.set(key, n)
	}
	_, err = p.dec.Token()
	return o, err
}

// write gives a tree as a text.
func write(n any) ([]byte, error) {
	w := writer{left: MaxWireValues}
	w.strings = json.NewEncoder(&w.buf)
	w.strings.SetEscapeHTML(false)
	if err := w.write(n); err != nil {
		return nil, err
	}
	return w.buf.Bytes(), nil
}

type writer struct {
	buf     bytes.Buffer
	strings *json.Encoder // to buf
	left    int
}

func (w *writer) write(n any) error {
	if w.left--; w.left < 0 {
		return fmt.Errorf("%w: more than %d values", ErrWireLimit, MaxWireValues)
	}
	switch n := n.(type) {
	case nil:
		w.buf.WriteString("null")
	case bool:
		w.buf.WriteString(strconv.FormatBool(n))
	case json.Number:
		w.buf.WriteString(n.String())
	case string:
		if err := w.text(n); err != nil {
			return err
		}
	case []any:
		w.buf.WriteByte('[')
		for i, x := range n {
			if i > 0 {
				w.buf.WriteByte(',')
			}
			if err := w.write(x); err != nil {
				return err
			}
		}
		w.buf.WriteByte(']')
	case *object:
		w.buf.WriteByte('{')
		for i, m := range n.members {
			if i > 0 {
				w.buf.WriteByte(',')
			}
			if err := w.text(m.key); err != nil {
				return err
			}
			w.buf.WriteByte(':')
			if err := w.write(m.value); err != nil {
				return err
			}
		}
		w.buf.WriteByte('}')
	}
	if w.buf.Len() > MaxWireBytes {
		return fmt.Errorf("%w: more than %d bytes", ErrWireLimit, MaxWireBytes)
	}
	return nil
}

func (w *writer) text(s string) error {
	if err := w.strings.Encode(s); err != nil {
		return err
	}
	w.buf.Truncate(w.buf.Len() - 1) // Encode ends a line
	return nil
}

// sameTree compares two trees; the order of members does not count.
func sameTree(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameTree(a[i], b[i]) {
				return false
			}
		}
		return true
	case *object:
		b, ok := b.(*object)
		if !ok || len(a.members) != len(b.members) {
			return false
		}
		for _, m := range a.members {
			if n, ok := b.get(m.key); !ok || !sameTree(m.value, n) {
				return false
			}
		}
		return true
	}
	return reflect.TypeOf(a) == reflect.TypeOf(b) && a == b
}

// mergePatch is the algorithm of RFC 7386. It leaves target as it is.
func mergePatch(target, patch any) any {
	p, ok := patch.(*object)
	if !ok {
		return patch
	}
	old, _ := target.(*object)
	if old == nil {
		old = &object{}
	}
	out := &object{}
	for _, m := range old.members {
		if by, ok := p.get(m.key); !ok {
			out.set(m.key, m.value)
		} else if by != nil {
			out.set(m.key, mergePatch(m.value, by))
		}
	}
	for _, m := range p.members {
		if m.value != nil && old.find(m.key) < 0 {
			out.set(m.key, mergePatch(nil, m.value))
		}
	}
	return out
}

// kindOf says what a tree is, for errors.
func kindOf(n any) string {
	switch n.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

func wireInt[T ~int | ~int64](v T) json.Number { return json.Number(strconv.FormatInt(int64(v), 10)) }

func wholeNumber(n any) (int64, error) {
	num, ok := n.(json.Number)
	if !ok {
		return 0, fmt.Errorf("want a whole number, got %s", kindOf(n))
	}
	v, err := strconv.ParseInt(num.String(), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("want a whole number of 64 bits, got %.40s", num)
	}
	return v, nil
}

// quote is a name from outside, for errors.
func quote(name string) string {
	if len(name) > longName {
		return strconv.Quote(strings.ToValidUTF8(name[:longName], "")) + "..."
	}
	return strconv.Quote(name)
}

const longName = 64

// suggest is didYouMean for a name from outside, which may be of any length.
func suggest(name string, among []string) string {
	if len(name) > longName {
		return ""
	}
	return didYouMean(name, among)
}
