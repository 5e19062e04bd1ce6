package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/maillon-go/maillon/stages"
)

// DecodeProblem says what is wrong with an answer that should have been a value.
type DecodeProblem string

// The problems.
const (
	DecodeNotJSON  DecodeProblem = "is not JSON"
	DecodeTrailing DecodeProblem = "has more behind the JSON value"
	DecodeSchema   DecodeProblem = "does not fit the JSON schema"
	DecodeType     DecodeProblem = "fits the JSON schema but not the Go type"
)

// DecodeError means that no answer could be read as the value that was asked for, up to the loop budget. Its text holds
// nothing of the answer.
type DecodeError struct {
	Kind, Name string // of the component
	Problem    DecodeProblem
	reason     string
}

// Error names the component and the problem.
func (e *DecodeError) Error() string {
	what := e.Kind
	if e.Name != "" {
		what += fmt.Sprintf(" %q", e.Name)
	}
	return fmt.Sprintf("session: the answer to %s %s", what, e.Problem)
}

// Reason is what the model is told about it. It may quote the answer: keep it out of logs.
func (e *DecodeError) Reason() string { return e.reason }

// shape is a Go type as JSON.
type shape struct {
	schema   stages.JSON
	resolved *jsonschema.Resolved
	// boxed says that the value is the only property of an object, since services give nothing but objects.
	boxed bool
	err   error
}

// box is the name of that property.
const box = "value"

var shapes sync.Map // of *shape by reflect.Type

// shapeOf derives the JSON schema of a type, once.
func shapeOf[T any]() *shape {
	t := reflect.TypeFor[T]()
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s, _ := shapes.LoadOrStore(t, newShape(t))
	return s.(*shape)
}

func newShape(t reflect.Type) *shape {
	fail := func(err error) *shape {
		return &shape{err: fmt.Errorf("%w: no JSON schema describes a %s: %w", ErrOption, t, err)}
	}
	schema, err := jsonschema.ForType(t, nil)
	if err != nil {
		return fail(err)
	}
	s := &shape{boxed: schema.Type != "object"}
	if s.boxed {
		schema = &jsonschema.Schema{
			Type: "object", Properties: map[string]*jsonschema.Schema{box: schema}, Required: []string{box},
			AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
		}
	}
	b, err := json.Marshal(schema)
	if err != nil {
		return fail(err)
	}
	s.schema = stages.JSON(b)
	if s.resolved, err = schema.Resolve(nil); err != nil {
		return fail(err)
	}
	return s
}

// read decodes an answer, which must be one JSON value that fits the schema, alone or in a fenced block. The error is a
// *DecodeError.
func read[T any](s *shape, text string) (v T, err error) {
	raw := unfence(text)
	if err := s.check(raw); err != nil {
		return v, err
	}
	if s.boxed {
		var b struct {
			Value T `json:"value"`
		}
		if err := json.Unmarshal(raw, &b); err != nil {
			return v, &DecodeError{Problem: DecodeType, reason: "the JSON cannot be read: " + err.Error()}
		}
		return b.Value, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		var none T
		return none, &DecodeError{Problem: DecodeType, reason: "the JSON cannot be read: " + err.Error()}
	}
	return v, nil
}

func (s *shape) check(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	var v any
	if err := d.Decode(&v); err != nil {
		return &DecodeError{Problem: DecodeNotJSON, reason: "it is not JSON: " + err.Error()}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &DecodeError{Problem: DecodeTrailing, reason: "there is more behind the JSON value, which must stand alone"}
	}
	if err := s.resolved.Validate(v); err != nil {
		return &DecodeError{Problem: DecodeSchema, reason: "it does not fit the JSON schema: " + err.Error()}
	}
	return nil
}

// unfence takes the fences off a text that is one fenced block, as models like to write.
func unfence(text string) []byte {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "```"); ok {
		if inner, ok = strings.CutSuffix(inner, "```"); ok {
			if language, body, ok := strings.Cut(inner, "\n"); ok {
				if l := strings.ToLower(strings.TrimSpace(language)); l == "" || l == "json" {
					return []byte(strings.TrimSpace(body))
				}
			}
		}
	}
	return []byte(text)
}

// decoding is how one call reads its answers, each text once, so that one error is told of once. A nil decoding leaves
// them text. Safe for concurrent use.
type decoding struct {
	form stages.Format
	read func(text string) (any, error)

	mu   sync.Mutex
	seen map[string]decoded
}

type decoded struct {
	value any
	err   error
}

func decodingOf[T any](s *shape, kind, name string) *decoding {
	return &decoding{
		form: stages.Format{Name: formatName(name, kind), Schema: s.schema},
		read: func(text string) (any, error) {
			v, err := read[T](s, text)
			if e, ok := as[*DecodeError](err); ok {
				e.Kind, e.Name = kind, name
			}
			return v, err
		},
		seen: map[string]decoded{},
	}
}

func (d *decoding) format() stages.Format {
	if d == nil {
		return stages.Format{}
	}
	return d.form
}

func (d *decoding) value(text string) (any, error) {
	if d == nil {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	x, ok := d.seen[text]
	if !ok {
		x.value, x.err = d.read(text)
		d.seen[text] = x
	}
	return x.value, x.err
}

// formatName is a name that services take for a format.
func formatName(name, kind string) string {
	if name == "" {
		name = kind
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), 64)]
}

// What the requirement that an answer can be decoded is known by.
const (
	decodeName = "decode"
	decodeText = "The answer is JSON that fits the schema."
)

// decodes is the requirement that an answer can be decoded. error_occurred tells of each one that cannot.
func (s *Session) decodes(r *request) stages.Requirement {
	return stages.Requirement{
		Name: decodeName, Description: decodeText, CheckOnly: true,
		Check: func(ctx context.Context, t stages.Target) (stages.Verdict, error) {
			_, err := r.decode.value(t.Output.Text)
			e, ok := as[*DecodeError](err)
			switch {
			case err == nil:
				return stages.Verdict{Ruling: stages.Pass}, nil
			case !ok:
				return stages.Verdict{}, err
			}
			s.fault(ctx, r, r.identity(), stages.FaultFields{
				Failure: stages.Failure{Err: e, Kind: stages.FaultDecode, Recoverable: true}, Where: "decode",
				History: t.History, Action: t.Action,
			})
			return stages.Verdict{Ruling: stages.Fail, Reason: e.reason}, nil
		},
	}
}

// faultOf is the kind of fault that a component ended in.
func faultOf(err error) stages.FaultKind {
	if _, ok := as[*DecodeError](err); ok {
		return stages.FaultDecode
	}
	return stages.FaultComponent
}
