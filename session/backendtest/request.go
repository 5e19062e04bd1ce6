package backendtest

import (
	"context"
	"encoding/json"

	"github.com/maillon-go/maillon/stages"
)

var tool = stages.Callable{
	Name: "lookup_tide", Description: "Finds the time of high water",
	Parameters: `{"type":"object","properties":{"harbour_name":{"type":"string"}},"required":["harbour_name"],"additionalProperties":false}`,
}

const (
	schema = `{"type":"object","properties":{"tide_height":{"type":"integer"}},"required":["tide_height"],"additionalProperties":false}`
	// pixel is a picture in the encoding of stages.Image.
	pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

func (e *exam) request() {
	can := e.about.Capabilities
	if !e.Local {
		e.passedOn("messages", []string{"Be brief.", "first question", "first answer", "second question"}, func(f *stages.GenerationFields) {
			f.Messages = stages.ListOf(
				stages.Message{Role: stages.RoleSystem, Text: "Be brief."},
				stages.Message{Role: stages.RoleUser, Text: "first question"},
				stages.Message{Role: stages.RoleAssistant, Text: "first answer"},
				stages.Message{Role: stages.RoleUser, Text: "second question"},
			)
		}, nil)
	}
	if can.Tools && !e.Local {
		e.passedOn("tools", []string{tool.Name, tool.Description, "harbour_name"}, func(f *stages.GenerationFields) {
			f.Tools = stages.ListOf(tool)
		}, nil)
		e.passedOn("the answer of a tool", []string{tool.Name, "north pier", "the tool says 06:40"}, func(f *stages.GenerationFields) {
			f.Tools = stages.ListOf(tool)
			f.Messages = f.Messages.Append(
				stages.Message{Role: stages.RoleAssistant, ToolCalls: stages.ListOf(stages.ToolCall{
					ID: "call-1", Name: tool.Name, Arguments: `{"harbour_name":"north pier"}`,
				})},
				stages.Message{Role: stages.RoleTool, Name: tool.Name, ToolCallID: "call-1", Text: "the tool says 06:40"},
			)
		}, nil)
	}
	if e.Local && can.Formats {
		e.fitting()
	} else {
		e.capability("format", can.Formats, []string{"tide_height"}, func(f *stages.GenerationFields) {
			f.Format = stages.Format{Name: "tide", Schema: schema}
		})
	}
	e.capability("image", can.Images, []string{pixel}, func(f *stages.GenerationFields) {
		f.Messages = stages.ListOf(stages.Message{
			Role: stages.RoleUser, Text: "What is this?", Images: stages.ListOf(stages.Image{MediaType: "image/png", Base64: pixel}),
		})
	})
}

// capability asks for what the backend can, or else has to refuse.
func (e *exam) capability(name string, can bool, wire []string, change func(*stages.GenerationFields)) {
	if can {
		if !e.Local {
			e.passedOn(name, wire, change, nil)
		}
		return
	}
	for _, w := range e.ways() {
		e.service.answers(always(says("An answer.")))
		switch o := e.do(context.Background(), w, e.generation(change), nil); {
		case o.hung:
		case o.err == nil:
			e.bad("%s with %s: the capabilities say no, and it was not refused", w.name, name)
		default:
			e.refusal(w.name, name, o.err)
		}
	}
}

// fitting asks a local backend for JSON.
func (e *exam) fitting() {
	for _, w := range e.ways() {
		o := e.do(context.Background(), w, e.generation(func(f *stages.GenerationFields) {
			f.Format = stages.Format{Name: "tide", Schema: schema}
		}), nil)
		if o.err != nil {
			e.bad("%s with a format: %v", w.name, o.err)
			continue
		}
		var got map[string]json.RawMessage
		var height int
		if err := json.Unmarshal([]byte(o.g.Output().Text), &got); err != nil || len(got) != 1 || json.Unmarshal(got["tide_height"], &height) != nil {
			e.bad("%s with a format: %q does not fit %s", w.name, o.g.Output().Text, schema)
		}
	}
}
