package stages

// ModelOptions steer a generation. What is left open is up to the backend. It is a value: copy it, change the copy.
type ModelOptions struct {
	Temperature Optional[float64] `json:"temperature,omitzero"`
	TopP        Optional[float64] `json:"top_p,omitzero"`
	MaxTokens   Optional[int]     `json:"max_tokens,omitzero"` // of the answer
	Seed        Optional[int64]   `json:"seed,omitzero"`
	Stop        List[string]      `json:"stop,omitzero"` // texts at which the answer ends
	// Extra goes to the backend by its own names.
	Extra Map[any] `json:"extra,omitzero"`
}

// Merge gives the options with those of over put on top, where it has any; Extra is merged key by key.
func (o ModelOptions) Merge(over ModelOptions) ModelOptions {
	o.Temperature = o.Temperature.merge(over.Temperature)
	o.TopP = o.TopP.merge(over.TopP)
	o.MaxTokens = o.MaxTokens.merge(over.MaxTokens)
	o.Seed = o.Seed.merge(over.Seed)
	if over.Stop.Len() > 0 {
		o.Stop = over.Stop
	}
	for k, v := range over.Extra.All() {
		o.Extra = o.Extra.With(k, v)
	}
	return o
}

func (o Optional[T]) merge(over Optional[T]) Optional[T] {
	if over.set {
		return over
	}
	return o
}

// Format is the shape that an answer must have. The zero value asks for free text.
type Format struct {
	Name   string `json:"name,omitempty"`
	Schema JSON   `json:"schema,omitempty"` // a JSON schema
}

// Backend describes what answers: a service or a model on this machine, not the connection to it.
type Backend struct {
	Name         string       `json:"name"`
	Provider     string       `json:"provider,omitempty"`
	Model        string       `json:"model,omitempty"`
	Capabilities Capabilities `json:"capabilities"`
}

// Capabilities are what a backend can do beyond text for text.
type Capabilities struct {
	Streaming bool `json:"streaming,omitempty"`
	Tools     bool `json:"tools,omitempty"`
	Formats   bool `json:"formats,omitempty"` // structured output by a JSON schema
	Images    bool `json:"images,omitempty"`
	Adapters  bool `json:"adapters,omitempty"`
}
