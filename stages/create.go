package stages

// Create is a component being made. Which fields are filled depends on its kind; see docs/hook-points.md.
type Create struct {
	meta Meta
	in   CreateFields
	out  CreateResult
	done bool
}

// CreateFields is what a Create carries from the start.
type CreateFields struct {
	Kind         string            // the kind of component, such as KindInstruction
	Description  string            // what to do, or the text of a message
	Images       List[Image]       // the pictures that go with it
	Requirements List[Requirement] // what the answer has to fulfil
	Examples     List[string]      // answers to learn from
	Grounding    List[ContextItem] // the documents to go by
	Variables    Map[string]       // what to put into the description
	Prefix       string            // how the answer has to begin
	TemplateID   string            // the template that renders it
}

// CreateResult is the component.
type CreateResult struct {
	Component Action // what was made
}

// NewCreate makes the payload of one call.
func NewCreate(m Meta, f CreateFields) *Create { return &Create{meta: m.versioned(), in: f} }

// Done gives the payload with its result, for the way out. c stays as it is.
func (c *Create) Done(res CreateResult) *Create {
	n := *c
	n.out, n.done = res, true
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (c *Create) HasResult() bool { return c.done }

// Meta says which call this is.
func (c *Create) Meta() Meta { return c.meta }

// Kind is the kind of component, such as KindInstruction.
func (c *Create) Kind() string { return c.in.Kind }

// Description is what to do, or the text of a message.
func (c *Create) Description() string { return c.in.Description }

// WithDescription gives a copy with another description.
func (c *Create) WithDescription(v string) *Create {
	n := *c
	n.in.Description = v
	return &n
}

// Images are the pictures that go with it.
func (c *Create) Images() List[Image] { return c.in.Images }

// WithImages gives a copy with other images.
func (c *Create) WithImages(v List[Image]) *Create {
	n := *c
	n.in.Images = v
	return &n
}

// Requirements are what the answer has to fulfil.
func (c *Create) Requirements() List[Requirement] { return c.in.Requirements }

// WithRequirements gives a copy with other requirements.
func (c *Create) WithRequirements(v List[Requirement]) *Create {
	n := *c
	n.in.Requirements = v
	return &n
}

// Examples are the answers to learn from.
func (c *Create) Examples() List[string] { return c.in.Examples }

// WithExamples gives a copy with other examples.
func (c *Create) WithExamples(v List[string]) *Create {
	n := *c
	n.in.Examples = v
	return &n
}

// Grounding has the documents to go by.
func (c *Create) Grounding() List[ContextItem] { return c.in.Grounding }

// WithGrounding gives a copy with another grounding.
func (c *Create) WithGrounding(v List[ContextItem]) *Create {
	n := *c
	n.in.Grounding = v
	return &n
}

// Variables are what to put into the description.
func (c *Create) Variables() Map[string] { return c.in.Variables }

// WithVariables gives a copy with other variables.
func (c *Create) WithVariables(v Map[string]) *Create {
	n := *c
	n.in.Variables = v
	return &n
}

// Prefix is how the answer has to begin.
func (c *Create) Prefix() string { return c.in.Prefix }

// WithPrefix gives a copy with another prefix.
func (c *Create) WithPrefix(v string) *Create {
	n := *c
	n.in.Prefix = v
	return &n
}

// TemplateID is the template that renders the component.
func (c *Create) TemplateID() string { return c.in.TemplateID }

// WithTemplateID gives a copy with another template id.
func (c *Create) WithTemplateID(v string) *Create {
	n := *c
	n.in.TemplateID = v
	return &n
}

// Component is the component that was made.
func (c *Create) Component() Action { return c.out.Component }

// WithComponent gives a copy with another component.
func (c *Create) WithComponent(v Action) *Create {
	n := *c
	n.out.Component = v
	return &n
}

// Rendered is the component as a model gets it, made from it anew on every call; nil before there is one.
func (c *Create) Rendered() ([]Message, error) {
	if c.out.Component == nil {
		return nil, nil
	}
	return c.out.Component.Messages()
}

var createSpec = spec[Create]{
	meta: func(s *Create) *Meta { return &s.meta },
	done: func(s *Create) *bool { return &s.done },
	in: []field[Create]{
		value("kind", func(s *Create) *string { return &s.in.Kind }),
		value("description", func(s *Create) *string { return &s.in.Description }),
		by("images", func(s *Create) *List[Image] { return &s.in.Images }, equalLists(same[Image])),
		by("requirements", func(s *Create) *List[Requirement] { return &s.in.Requirements }, sameList[Requirement]),
		by("examples", func(s *Create) *List[string] { return &s.in.Examples }, equalLists(same[string])),
		by("grounding", func(s *Create) *List[ContextItem] { return &s.in.Grounding }, equalLists(same[ContextItem])),
		value("variables", func(s *Create) *Map[string] { return &s.in.Variables }),
		value("prefix", func(s *Create) *string { return &s.in.Prefix }),
		value("template_id", func(s *Create) *string { return &s.in.TemplateID }),
	},
	out: []field[Create]{
		by("component", func(s *Create) *Action { return &s.out.Component }, sameValue),
		derived[Create]("rendered"),
	},
}
