package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/maillon-go/maillon/stages"
)

// maxSchemas is how many compiled schemas are kept.
const maxSchemas = 256

// schemas are the schemas that were compiled already. There are few, and the same ones again and again.
var schemas = struct {
	sync.Mutex
	byText map[stages.JSON]*jsonschema.Resolved
}{byText: map[stages.JSON]*jsonschema.Resolved{}}

// compileSchema reads a JSON schema, of draft 2020-12 or draft 7. References to other documents are errors.
func compileSchema(text stages.JSON) (*jsonschema.Resolved, error) {
	schemas.Lock()
	compiled := schemas.byText[text]
	schemas.Unlock()
	if compiled != nil {
		return compiled, nil
	}
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("session: JSON schema: %w", err)
	}
	compiled, err := s.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("session: JSON schema: %w", err)
	}
	schemas.Lock()
	defer schemas.Unlock()
	if len(schemas.byText) >= maxSchemas {
		clear(schemas.byText)
	}
	schemas.byText[text] = compiled
	return compiled, nil
}

// misfit says in which way a JSON text does not fit a schema, or "" where it does. It may quote the text.
func misfit(schema *jsonschema.Resolved, text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return "not valid JSON: " + err.Error()
	}
	if err := schema.Validate(v); err != nil {
		return strings.TrimPrefix(err.Error(), "validating root: ")
	}
	return ""
}
