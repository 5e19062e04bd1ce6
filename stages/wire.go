package stages

import (
	"errors"
	"fmt"
	"reflect"
)

// WireVersion is the version of the JSON form of payloads. It grows when something changes that a reader of the old form
// would misread; a new field is no such change. It has nothing to do with releases, and not with PayloadVersion either,
// which is about what the fields mean and travels in the meta.
const WireVersion = 1

// Limits on what is read, and on what is written so that it can be read.
const (
	MaxWireBytes  = 16 << 20 // of one payload or patch
	MaxWireValues = 1 << 20  // objects, arrays and all that is in them, counted together
	MaxWireDepth  = 100      // objects and arrays inside each other
	// MaxWireFreeDepth is the same for one value of free form: an entry of a Map, or a JSON text. What is deeper does not
	// travel.
	MaxWireFreeDepth = 64
)

// Errors of the JSON form, always wrapped with the hook and the place.
var (
	ErrWireVersion = errors.New("another version")
	ErrWireLimit   = errors.New("over a limit")
	// ErrStandIn is what a stand-in returns for something that did not travel, such as a tool, when it is used.
	ErrStandIn = errors.New("only its description came with the payload")
)

// Encode gives a payload as JSON, as it is at the named hook point:
//
//	{"version": 1, "hook": "tool_post_invoke", "meta": {...}, "fields": {...}, "result": {...}}
//
// The names are those of HookPoint.Carries; "result" has what is known on the way out only. What cannot travel is its
// name, description or message: an Action is its kind, name and messages, a Strategy its name and settings, an error its
// kind and message; a function is left out, and an entry of a Map that is no JSON is {"cannot_travel": "its type"}. A
// time.Duration is a number of nanoseconds.
//
// Encode calls the Messages of Actions. It fails with ErrWireLimit where Decode would.
func Encode(hook string, payload any) ([]byte, error) {
	h, form, err := wireFormOf(hook)
	if err != nil {
		return nil, err
	}
	b, err := form.encode(h, payload)
	if err != nil {
		return nil, fmt.Errorf("stages: encode %s: %w", hook, err)
	}
	return b, nil
}

// Decode reads what Encode wrote: a *Generation for "generation_pre_call", and so on. Unknown fields are skipped, for they
// may come from a newer program; derived ones are made anew. What did not travel has a stand-in:
//
//   - an Action has its messages, or fails in Messages with the text of the original error;
//   - a Strategy is a NamedStrategy;
//   - a Callable returns ErrStandIn when it is called;
//   - a Requirement has no Check, so whoever checks it asks a model;
//   - an error is a *RemoteError.
//
// Data may come from anywhere: what is wrong with it is an error, which names the place.
func Decode(data []byte) (hook string, payload any, err error) {
	doc, hook, err := openWire(data)
	if err != nil {
		return "", nil, fmt.Errorf("stages: decode: %w", err)
	}
	h, form, err := wireFormOf(hook)
	if err != nil {
		return "", nil, err
	}
	payload, err = form.decode(h, doc)
	if err != nil {
		return "", nil, fmt.Errorf("stages: decode %s: %w", hook, err)
	}
	return hook, payload, nil
}

// DecodeAs is Decode for one who knows which hook point, and so which payload, is to come.
func DecodeAs[P any](hook string, data []byte) (P, error) {
	var zero P
	got, payload, err := Decode(data)
	if err != nil {
		return zero, err
	}
	if got != hook {
		return zero, fmt.Errorf("stages: decode %s: the payload is one of %s", hook, got)
	}
	p, ok := payload.(P)
	if !ok {
		return zero, fmt.Errorf("stages: decode %s: the payload is a %T, not a %s", hook, payload, reflect.TypeFor[P]())
	}
	return p, nil
}

// openWire reads the envelope.
func openWire(data []byte) (doc *object, hook string, err error) {
	n, err := parse(data, MaxWireDepth, true)
	if err != nil {
		return nil, "", err
	}
	doc, ok := n.(*object)
	if !ok {
		return nil, "", fmt.Errorf("want an object, got %s", kindOf(n))
	}
	v, _ := doc.get("version")
	if err := sameVersion("version", v, WireVersion); err != nil {
		return nil, "", err
	}
	n, _ = doc.get("hook")
	if hook, ok = n.(string); !ok {
		return nil, "", fmt.Errorf("hook: want a string, got %s", kindOf(n))
	}
	return doc, hook, nil
}

func sameVersion(what string, n any, want int) error {
	v, err := wholeNumber(n)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case v != int64(want):
		return fmt.Errorf("%s: %w: %d, but this program has %d", what, ErrWireVersion, v, want)
	}
	return nil
}

// wireFormOf finds a hook point and the form of its payload.
func wireFormOf(hook string) (HookPoint, wireForm, error) {
	for _, h := range hookPoints {
		if h.Name == hook {
			return h, wireForms()[h.Chain], nil
		}
	}
	var names []string
	for _, h := range hookPoints {
		names = append(names, h.Name)
	}
	return HookPoint{}, nil, fmt.Errorf("stages: no hook point with a JSON form is called %s%s", quote(hook), suggest(hook, names))
}
