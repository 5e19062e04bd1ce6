package session

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// addEnums puts the enum tags of a type, and of those that it consists of, into its schema.
func addEnums(s *jsonschema.Schema, t reflect.Type) error {
	switch t.Kind() {
	case reflect.Pointer:
		return addEnums(s, t.Elem())
	case reflect.Slice, reflect.Array:
		if s.Items != nil {
			return addEnums(s.Items, t.Elem())
		}
	case reflect.Map:
		if s.AdditionalProperties != nil {
			return addEnums(s.AdditionalProperties, t.Elem())
		}
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			property := s.Properties[jsonName(f)]
			if property == nil || !f.IsExported() {
				continue
			}
			if err := addEnums(property, f.Type); err != nil {
				return err
			}
			if tag, ok := f.Tag.Lookup("enum"); ok {
				if err := addEnum(property, f.Type, tag); err != nil {
					return fmt.Errorf("the enum of field %s: %w", f.Name, err)
				}
			}
		}
	}
	return nil
}

// jsonName is what encoding/json calls a field.
func jsonName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return f.Name
}

// addEnum puts the values of one tag into the schema of its field, or of the items of it.
func addEnum(s *jsonschema.Schema, t reflect.Type, tag string) error {
	for {
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
			continue
		case reflect.Slice, reflect.Array:
			if s.Items != nil {
				s, t = s.Items, t.Elem()
				continue
			}
		}
		break
	}
	for value := range strings.SplitSeq(tag, ",") {
		if t.Kind() == reflect.String {
			s.Enum = append(s.Enum, value)
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			return fmt.Errorf("%q is no %s", value, t)
		}
		if err := json.Unmarshal([]byte(value), reflect.New(t).Interface()); err != nil {
			return fmt.Errorf("%q is no %s", value, t)
		}
		s.Enum = append(s.Enum, v)
	}
	if slices.Contains(s.Types, "null") {
		s.Enum = append(s.Enum, nil)
	}
	return nil
}
