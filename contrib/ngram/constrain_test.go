package ngram

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/maillon-go/maillon/stages"
)

// fits judges by another implementation of JSON schema.
func fits(schema, text string) error {
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		return err
	}
	r, err := s.Resolve(nil)
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	return r.Validate(v)
}

func formatted(schema string, o stages.ModelOptions) *stages.Generation {
	return generation("Write a note about the crane", stages.GenerationFields{ModelOptions: o, Format: stages.Format{Schema: stages.JSON(schema)}})
}

func TestConstrained(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, schema, greedy string // at temperature 0; "" for a text of the model
	}{
		{"anything", `true`, ""},
		{"no type", `{}`, ""},
		{"string", `{"type":"string","title":"x","$comment":"y"}`, ""},
		{"integer", `{"type":"integer"}`, "0"},
		{"integer between", `{"type":"integer","minimum":-7,"maximum":-3}`, "-7"},
		{"integer below", `{"type":"integer","maximum":-3}`, "-102"},
		{"integer between fractions", `{"type":"integer","minimum":1.5,"maximum":2.5}`, "2"},
		{"number", `{"type":"number","minimum":0.25,"maximum":0.35}`, "0.3"},
		{"number without room", `{"type":"number","minimum":0.123,"maximum":0.124}`, "0.123"},
		{"number of a wide range", `{"type":"number","minimum":-1e300,"maximum":1e300}`, "-1e+300"},
		{"boolean", `{"type":"boolean"}`, "false"},
		{"null", `{"type":"null"}`, "null"},
		{"a pointer, as schemas of Go types have it", `{"type":["null","integer"]}`, "0"},
		{"enum", `{"enum":["low", {"b": 1, "a": [2]}, 3]}`, `"low"`},
		{"const", `{"const": {"b": 1}}`, `{"b":1}`},
		{"array of a length", `{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":4}`, "[0,0]"},
		{"array of anything", `{"type":"array"}`, ""},
		{"array without room", `{"type":"array","maxItems":0}`, "[]"},
		{"long array", `{"type":"array","items":{"type":"null"},"minItems":5}`, "[null,null,null,null,null]"},
		{"empty object", `{"type":"object"}`, "{}"},
		{"properties in their order", `{"properties":{"b":{"type":"integer"},"a":{"type":"boolean"}},"required":["a"],"additionalProperties":false}`, `{"b":0,"a":false}`},
		{"odd names", `{"type":"object","properties":{"a \"quoted\" é\u2028name":{"type":"null"}}}`, ""},
		{"nested", `{"type":"object","properties":{"ships":{"type":"array","minItems":1,"items":{"type":"object",
			"properties":{"name":{"type":"string"},"cargo":{"type":"array","items":{"enum":["salt","barley"]}},"draught":{"type":"number","minimum":1,"maximum":9}},
			"required":["name","cargo","draught"],"additionalProperties":false}}},"required":["ships"]}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for seed := range int64(20) {
				o := stages.ModelOptions{Seed: stages.Some(seed)}
				if seed == 0 {
					o.Temperature = stages.Some(0.0)
				}
				out, err := NewBackend().Generate(t.Context(), formatted(tc.schema, o))
				if err != nil {
					t.Fatal(err)
				}
				text := out.Output().Text
				if err := fits(tc.schema, text); err != nil {
					t.Errorf("seed %d: %s: %v", seed, text, err)
				}
				if seed == 0 && tc.greedy != "" && text != tc.greedy {
					t.Errorf("greedy: got %s, want %s", text, tc.greedy)
				}
				if out.Output().FinishReason != stages.FinishStop || out.Output().Usage.OutputTokens < 1 {
					t.Errorf("seed %d: %+v", seed, out.Output())
				}
			}
		})
	}
}

// randomSchema makes a schema of the keywords that are understood.
func randomSchema(r *rand.Rand, depth int) string {
	kinds := []string{"string", "integer", "number", "boolean", "null", "enum"}
	if depth > 0 {
		kinds = append(kinds, "object", "object", "array")
	}
	switch kind := kinds[r.IntN(len(kinds))]; kind {
	case "enum":
		return `{"enum":[1,"two",null,[3]],"description":"some of these"}`
	case "integer", "number":
		low := r.IntN(100) - 50
		return fmt.Sprintf(`{"type":%q,"minimum":%d,"maximum":%d}`, kind, low, low+r.IntN(30))
	case "array":
		low := r.IntN(3)
		return fmt.Sprintf(`{"type":["null","array"],"minItems":%d,"maxItems":%d,"items":%s}`, low, low+r.IntN(3), randomSchema(r, depth-1))
	case "object":
		var properties, required []string
		for i := range r.IntN(4) {
			properties = append(properties, fmt.Sprintf(`"property_%d":%s`, i, randomSchema(r, depth-1)))
			if r.IntN(2) == 0 {
				required = append(required, fmt.Sprintf(`"property_%d"`, i))
			}
		}
		return fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s],"additionalProperties":false}`, strings.Join(properties, ","), strings.Join(required, ","))
	default:
		return fmt.Sprintf(`{"type":%q}`, kind)
	}
}

// Whatever the schema, the answer fits it, and streamed it is the same.
func FuzzConstrained(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed, 0.8)
	}
	f.Add(uint64(7), 0.0)
	f.Fuzz(func(t *testing.T, seed uint64, temperature float64) {
		schema := randomSchema(rand.New(rand.NewPCG(seed, 1)), 3)
		g := formatted(schema, stages.ModelOptions{Seed: stages.Some(int64(seed)), Temperature: stages.Some(temperature)})
		out, err := NewBackend().Generate(t.Context(), g)
		if errors.Is(err, ErrInvalidOptions) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		if err := fits(schema, out.Output().Text); err != nil {
			t.Errorf("%s does not fit %s: %v", out.Output().Text, schema, err)
		}
		var pieces strings.Builder
		streamed, err := NewBackend().GenerateStream(t.Context(), g, func(s string) error {
			pieces.WriteString(s)
			return nil
		})
		if err != nil || pieces.String() != out.Output().Text || !streamed.Output().Equal(out.Output()) {
			t.Errorf("streamed %q, %v, want %q", pieces.String(), err, out.Output().Text)
		}
	})
}

// FuzzParseShape looks for schemas that bring the parser down, or that it lets through and then does not keep to.
func FuzzParseShape(f *testing.F) {
	for _, s := range []string{
		`{`, `null`, `[]`, `false`, `{"type":3}`, `{"enum":[]}`, `{"properties":[]}`, `{"items":{"type":"x"}}`, `{"minItems":-1}`, `{"minItems":9,"maxItems":2}`,
		`{"minimum":"a"}`, `{"type":[]}`, `{"const":null}`, `{"type":"object","properties":{"a":true,"b":false}}`, `{"required":["a"],"enum":[1]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		s, err := parseShape([]byte(schema))
		if err != nil {
			if !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrInvalidOptions) {
				t.Errorf("%s: %v", schema, err)
			}
			return
		}
		if s.size() > 1000 {
			return
		}
		out, err := NewBackend().Generate(t.Context(), formatted(schema, stages.ModelOptions{Temperature: stages.Some(0.0)}))
		if err != nil || !json.Valid([]byte(out.Output().Text)) {
			t.Errorf("%s: got %+v, %v", schema, out, err)
		}
	})
}

// size is about how many values it makes at most.
func (s *shape) size() int {
	n := 1
	for _, p := range s.properties {
		n = min(n+p.size(), 1<<20)
	}
	if s.kind == "array" {
		n = min(n+min(s.most, 1<<20)*min(s.items.size(), 1<<10), 1<<20)
	}
	return n
}

func TestConstrainedHeedsOptions(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"object","properties":{"cargo":{"type":"string"},"berths":{"type":"array","items":{"type":"integer"},"minItems":3}}}`
	ask := func(o stages.ModelOptions) stages.Output {
		t.Helper()
		o.Seed = stages.Some(int64(3))
		out, err := NewBackend().Generate(t.Context(), formatted(schema, o))
		if err != nil {
			t.Fatal(err)
		}
		return out.Output()
	}
	full := ask(stages.ModelOptions{})
	if again := ask(stages.ModelOptions{}); !again.Equal(full) {
		t.Errorf("the same seed gave %q and %q", full.Text, again.Text)
	}
	cut := ask(stages.ModelOptions{MaxTokens: stages.Some(4)})
	if cut.FinishReason != stages.FinishLength || cut.Usage.OutputTokens != 4 || !strings.HasPrefix(full.Text, cut.Text) || cut.Text == full.Text {
		t.Errorf("got %+v of %q", cut, full.Text)
	}
	stopped := ask(stages.ModelOptions{Stop: stages.ListOf(`,"ber`)})
	if want, _, _ := strings.Cut(full.Text, `,"ber`); stopped.Text != want || stopped.FinishReason != stages.FinishStop {
		t.Errorf("got %+v, want %q", stopped, want)
	}
	long := ask(stages.ModelOptions{Extra: stages.MapOf(map[string]any{"max_sentences": 3}), Temperature: stages.Some(1.0)})
	if err := fits(schema, long.Text); err != nil {
		t.Error(err)
	}
}

// The text of a string is about its property.
func TestConstrainedTextIsOnTopic(t *testing.T) {
	t.Parallel()
	n := 0
	for seed := range int64(20) {
		out, err := NewBackend().Generate(t.Context(), generation("Report.", stages.GenerationFields{
			ModelOptions: stages.ModelOptions{Seed: stages.Some(seed)},
			Format:       stages.Format{Schema: `{"type":"object","properties":{"ferryNews":{"type":"string","description":"about the ferry"}}}`},
		}))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.Output().Text, "ferry ") {
			n++
		}
	}
	if n < 8 {
		t.Errorf("%d of 20 texts mention the ferry", n)
	}
}
