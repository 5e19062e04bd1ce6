package ngram

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// shape is a JSON schema as far as the model can keep to it.
type shape struct {
	kind       string            // object, array, string, integer, number, boolean or null
	enum       []json.RawMessage // where it is set, one of these and nothing else
	names      []string          // of the properties, in the order of the schema
	properties []*shape
	items      *shape // of an array; nil where it does not say
	fewest     int    // items
	most       int
	low, high  float64 // of a number
	about      string  // what the schema says of the value, which steers the text
}

// Bounds where a schema has none.
const (
	defaultItems  = 3
	defaultNumber = 99.0
)

// annotations say nothing about what is allowed.
var annotations = []string{
	"$comment", "$id", "$schema", "default", "deprecated", "examples", "readOnly", "title", "writeOnly",
}

// parseShape reads a schema. An error names the keyword that the model cannot keep to.
func parseShape(schema []byte) (*shape, error) {
	var anything bool
	if json.Unmarshal(schema, &anything) == nil {
		if !anything {
			return nil, fmt.Errorf("%w: a schema that allows nothing", ErrUnsupported)
		}
		return &shape{kind: "string"}, nil
	}
	keys, values, err := members(schema)
	if err != nil {
		return nil, fmt.Errorf("%w: the schema: %w", ErrInvalidOptions, err)
	}
	s := &shape{most: -1, low: math.Inf(-1), high: math.Inf(1)}
	var required []string
	for i, key := range keys {
		if err := s.keyword(key, values[i], &required); err != nil {
			return nil, err
		}
	}
	return s, s.settle(required)
}

func (s *shape) keyword(key string, value json.RawMessage, required *[]string) (err error) {
	switch key {
	case "type":
		s.kind, err = kindOf(value)
	case "description":
		err = json.Unmarshal(value, &s.about)
	case "enum":
		err = json.Unmarshal(value, &s.enum)
		if err == nil && len(s.enum) == 0 {
			err = errors.New("an enum of nothing")
		}
	case "const":
		s.enum = []json.RawMessage{value}
	case "properties":
		var schemas []json.RawMessage
		if s.names, schemas, err = members(value); err != nil {
			break
		}
		for _, p := range schemas {
			shape, err := parseShape(p)
			if err != nil {
				return err
			}
			s.properties = append(s.properties, shape)
		}
	case "required":
		err = json.Unmarshal(value, required)
	case "additionalProperties": // there are none
	case "items":
		if s.items, err = parseShape(value); err != nil {
			return err
		}
	case "minItems":
		err = json.Unmarshal(value, &s.fewest)
	case "maxItems":
		err = json.Unmarshal(value, &s.most)
	case "minimum":
		err = json.Unmarshal(value, &s.low)
	case "maximum":
		err = json.Unmarshal(value, &s.high)
	default:
		if !slices.Contains(annotations, key) {
			return fmt.Errorf("%w: keyword %s of a schema", ErrUnsupported, key)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: keyword %s of the schema: %w", ErrInvalidOptions, key, err)
	}
	return nil
}

// settle fills in what the schema leaves open, and finds out what cannot be.
func (s *shape) settle(required []string) error {
	switch {
	case s.kind != "":
	case s.properties != nil || required != nil:
		s.kind = "object"
	case s.items != nil:
		s.kind = "array"
	default:
		s.kind = "string"
	}
	for _, name := range required {
		if !slices.Contains(s.names, name) && s.enum == nil {
			return fmt.Errorf("%w: a required property %q that no schema describes", ErrUnsupported, name)
		}
	}
	if s.most < 0 {
		s.most = max(defaultItems, s.fewest)
	}
	if s.fewest == 0 && s.most > 0 {
		s.fewest = 1 // an empty list says little
	}
	if s.items == nil {
		s.items = &shape{kind: "string"}
	}
	switch {
	case math.IsInf(s.low, -1) && math.IsInf(s.high, 1):
		s.low, s.high = 0, defaultNumber
	case math.IsInf(s.low, -1):
		s.low = s.high - defaultNumber
	case math.IsInf(s.high, 1):
		s.high = s.low + defaultNumber
	}
	if s.kind == "integer" {
		s.low, s.high = math.Ceil(s.low), math.Floor(s.high)
	}
	if s.fewest > s.most || s.low > s.high {
		return fmt.Errorf("%w: a schema that allows nothing", ErrUnsupported)
	}
	return nil
}

// kindOf reads a type, or the first of several that is not null.
func kindOf(value json.RawMessage) (string, error) {
	var kinds []string
	if json.Unmarshal(value, &kinds) != nil {
		kinds = []string{""}
		if err := json.Unmarshal(value, &kinds[0]); err != nil {
			return "", err
		}
	}
	for _, k := range kinds {
		if !slices.Contains([]string{"object", "array", "string", "integer", "number", "boolean", "null"}, k) {
			return "", fmt.Errorf("there is no type %q", k)
		}
	}
	if i := slices.IndexFunc(kinds, func(k string) bool { return k != "null" }); i >= 0 {
		return kinds[i], nil
	}
	return "null", nil
}

// members reads an object in the order in which it is written.
func members(object []byte) (names []string, values []json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("it is not an object")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, nil, err
		}
		names, values = append(names, fmt.Sprint(t)), append(values, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	return names, values, nil
}

// quoted is a text as JSON, without the marks around it.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil { // no string does
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(b), `"`), `"`)
}
