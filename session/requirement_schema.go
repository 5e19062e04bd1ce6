package session

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/maillon-go/maillon/stages"
)

// JSONSchema asks for an answer whose text is JSON that fits a JSON schema (draft 2020-12 or draft 7), with nothing before
// or after it but white space. The schema is shown to the model. A stream is stopped where what came so far cannot become
// JSON any more; whether it fits the schema is known at its end.
//
// A backend that can be bound to a schema is better told so by the format of the generation; this requirement checks.
func JSONSchema(schema stages.JSON) (stages.Requirement, error) {
	compiled, err := compileSchema(schema)
	if err != nil {
		return stages.Requirement{}, err
	}
	return ofText("Answer with nothing but JSON that fits this JSON schema: "+string(schema), func(text string, final bool) (stages.Verdict, error) {
		if !startsJSON(text, final) {
			return stages.Verdict{Ruling: stages.Fail, Reason: "it is not valid JSON"}, nil
		}
		if !final {
			return stages.Verdict{}, nil
		}
		if problem := misfit(compiled, text); problem != "" {
			return stages.Verdict{Ruling: stages.Fail, Reason: "it does not fit the schema: " + problem}, nil
		}
		return stages.Verdict{Ruling: stages.Pass}, nil
	}, stages.Verdict{}), nil
}

// startsJSON says that text is one JSON value or, unless it is final, the beginning of one.
func startsJSON(text string, final bool) bool {
	if final {
		return json.Valid([]byte(text))
	}
	d := json.NewDecoder(strings.NewReader(text))
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	_, err := d.Token() // nothing more may come
	return errors.Is(err, io.EOF)
}
