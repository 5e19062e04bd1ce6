package stages

import "encoding/json"

// JSON is a JSON text, kept as a string so that it cannot be changed in place. It may be invalid where a model wrote it.
type JSON string

// MarshalJSON gives the text itself, null for an empty one, and a JSON string where the text is not valid JSON.
func (j JSON) MarshalJSON() ([]byte, error) {
	switch {
	case j == "":
		return []byte("null"), nil
	case json.Valid([]byte(j)):
		return []byte(j), nil
	}
	return json.Marshal(string(j))
}

// UnmarshalJSON keeps the text; null gives an empty one.
func (j *JSON) UnmarshalJSON(b []byte) error {
	*j = ""
	if string(b) != "null" {
		*j = JSON(b)
	}
	return nil
}
