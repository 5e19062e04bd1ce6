package stages

import "encoding/json"

// Optional is a setting that may be left open, which is not the same as being zero. The zero value is open.
type Optional[T comparable] struct {
	value T
	set   bool
}

// Some is a setting with a value.
func Some[T comparable](v T) Optional[T] { return Optional[T]{v, true} }

// Get is the value, and whether there is one.
func (o Optional[T]) Get() (T, bool) { return o.value, o.set }

// Or is the value, or def where the setting is open.
func (o Optional[T]) Or(def T) T {
	if o.set {
		return o.value
	}
	return def
}

// MarshalJSON gives the value, or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.set {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

// UnmarshalJSON reads a value; null leaves the setting open.
func (o *Optional[T]) UnmarshalJSON(b []byte) error {
	var v *T
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*o = Optional[T]{}
	if v != nil {
		*o = Some(*v)
	}
	return nil
}
