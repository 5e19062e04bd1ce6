package session

import (
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// fit makes a request one that the backend can take, by what it says of itself. Images and tools that it does not take are
// refused by name; tools only where it names capabilities at all. A format that it does not take, or does not say to take,
// goes into the prompt.
func fit(g *stages.Generation, b Backend) (*stages.Generation, error) {
	can := g.Backend().Capabilities
	if _, ok := b.(Describer); ok {
		switch {
		case !can.Images && illustrated(g.Messages()):
			return nil, refused(g, "images")
		case !can.Tools && can != (stages.Capabilities{}) && g.Tools().Len() > 0:
			return nil, refused(g, "tools")
		}
	}
	if f := g.Format(); f != (stages.Format{}) && !can.Formats {
		return g.WithMessages(spelledOut(g.Messages(), f)).WithFormat(stages.Format{}), nil
	}
	return g, nil
}

func refused(g *stages.Generation, what string) error {
	return &BackendError{
		Kind: BackendInvalidRequest, Backend: g.Backend().Name, Message: fmt.Sprintf("the backend takes no %s", what),
	}
}

func illustrated(messages stages.List[stages.Message]) bool {
	for _, m := range messages.All() {
		if m.Images.Len() > 0 {
			return true
		}
	}
	return false
}

// spelledOut puts a format into the last message of the user, or into one of its own.
func spelledOut(messages stages.List[stages.Message], f stages.Format) stages.List[stages.Message] {
	text := "Answer with JSON and nothing else."
	if f.Schema != "" {
		text = "Answer with JSON that fits this JSON schema, and nothing else:\n" + string(f.Schema)
	}
	all := messages.Slice()
	for n := len(all) - 1; n >= 0; n-- {
		if all[n].Role == stages.RoleUser {
			all[n].Text += "\n\n" + text
			return stages.ListOf(all...)
		}
	}
	return messages.Append(stages.Message{Role: stages.RoleUser, Text: text})
}
