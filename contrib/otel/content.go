package otel

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

	"github.com/maillon-go/maillon/stages"
)

// maxMessages is how many messages of a request are written, the latest ones.
const maxMessages = 64

// unreadable stands for a text that the redactor panicked on.
const unreadable = "[not redacted]"

// contents writes texts, redacted and cut, in the conventions' JSON form of messages.
type contents struct {
	redact func(string) string
	most   int
}

func newContents(s Settings) *contents {
	if s.MaxContent == 0 {
		s.MaxContent = DefaultMaxContent
	}
	return &contents{s.Redact, s.MaxContent}
}

// text is what may be written of one.
func (c *contents) text(s string) (safe string) {
	defer func() {
		if recover() != nil {
			safe = unreadable
		}
	}()
	s = c.redact(s)
	if len(s) <= c.most {
		return s
	}
	n := c.most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// part is a piece of a message, in the form of the conventions.
type part struct {
	Type      string `json:"type"`
	Content   string `json:"content,omitempty"`
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments,omitempty"`
	Response  string `json:"response,omitempty"`
	Modality  string `json:"modality,omitempty"`
	MIMEType  string `json:"mime_type,omitempty"`
}

type message struct {
	Role   string `json:"role"`
	Parts  []part `json:"parts"`
	Finish string `json:"finish_reason,omitempty"`
}

// message is one of a conversation. Of an image only its type is written.
func (c *contents) message(m stages.Message) message {
	out := message{Role: string(m.Role), Parts: []part{}}
	switch {
	case m.Role == stages.RoleTool:
		out.Parts = append(out.Parts, part{Type: "tool_call_response", ID: c.text(m.ToolCallID), Response: c.text(m.Text)})
	case m.Text != "":
		out.Parts = append(out.Parts, part{Type: "text", Content: c.text(m.Text)})
	}
	for _, t := range m.ToolCalls.All() {
		out.Parts = append(out.Parts, part{Type: "tool_call", ID: c.text(t.ID), Name: c.text(t.Name), Arguments: c.text(string(t.Arguments))})
	}
	for _, i := range m.Images.All() {
		out.Parts = append(out.Parts, part{Type: "blob", Modality: "image", MIMEType: i.MediaType})
	}
	return out
}

// generation is what was asked and answered, as the links have left it. Of a call that failed there is nothing: what the
// links would have taken out may still be in it.
func (c *contents) generation(g *stages.Generation, passed bool) []attribute.KeyValue {
	if !passed {
		return nil
	}
	var system []part
	asked := []message{}
	from := max(0, g.Messages().Len()-maxMessages)
	for i, m := range g.Messages().All() {
		switch {
		case m.Role == stages.RoleSystem:
			system = append(system, part{Type: "text", Content: c.text(m.Text)})
		case i >= from:
			asked = append(asked, c.message(m))
		}
	}
	o := g.Output()
	answer := c.message(o.Message())
	answer.Finish = string(o.FinishReason)
	attrs := []attribute.KeyValue{
		semconv.GenAIInputMessagesKey.String(asJSON(asked)), semconv.GenAIOutputMessagesKey.String(asJSON([]message{answer})),
	}
	if system != nil {
		attrs = append(attrs, semconv.GenAISystemInstructionsKey.String(asJSON(system)))
	}
	if stop := g.ModelOptions().Stop; stop.Len() > 0 {
		attrs = append(attrs, semconv.GenAIRequestStopSequences(stop.Map(c.text).Slice()...))
	}
	return attrs
}

// tool is what a tool was given and gave, and the id of the call, which is a text of the model.
func (c *contents) tool(t *stages.Tool) []attribute.KeyValue {
	if !t.HasResult() {
		return nil
	}
	attrs := []attribute.KeyValue{
		semconv.GenAIToolCallArgumentsKey.String(c.text(string(t.Arguments()))), semconv.GenAIToolCallResultKey.String(c.text(t.Output())),
	}
	if id := t.CallID(); id != "" {
		attrs = append(attrs, semconv.GenAIToolCallID(c.text(id)))
	}
	return attrs
}

func asJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "" // nothing but strings: it does not happen
	}
	return strings.TrimSuffix(b.String(), "\n")
}
