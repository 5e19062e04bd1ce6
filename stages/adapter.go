package stages

import "time"

// Adapter is an adapter (a LoRA, say) being loaded or unloaded; which of the two is said by the chain.
type Adapter struct {
	meta Meta
	in   AdapterFields
	out  AdapterResult
	done bool
}

// AdapterFields is what an Adapter carries from the start.
type AdapterFields struct {
	Name     string   // the adapter's name
	Settings Map[any] // what the backend is told about it
	Backend  string   // the name of the backend
}

// AdapterResult is what came of it.
type AdapterResult struct {
	Duration time.Duration // of loading or unloading
}

// NewAdapter makes the payload of one call.
func NewAdapter(m Meta, f AdapterFields) *Adapter { return &Adapter{meta: m.versioned(), in: f} }

// Done gives the payload with its result, for the way out. a stays as it is.
func (a *Adapter) Done(res AdapterResult) *Adapter {
	n := *a
	n.out, n.done = res, true
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (a *Adapter) HasResult() bool { return a.done }

// Meta says which call this is.
func (a *Adapter) Meta() Meta { return a.meta }

// Name is the adapter's name.
func (a *Adapter) Name() string { return a.in.Name }

// Settings are what the backend is told about it.
func (a *Adapter) Settings() Map[any] { return a.in.Settings }

// Backend is the name of the backend.
func (a *Adapter) Backend() string { return a.in.Backend }

// Duration is the time that it took.
func (a *Adapter) Duration() time.Duration { return a.out.Duration }

var adapterSpec = spec[Adapter]{
	meta: func(s *Adapter) *Meta { return &s.meta },
	done: func(s *Adapter) *bool { return &s.done },
	in: []field[Adapter]{
		value("name", func(s *Adapter) *string { return &s.in.Name }),
		value("settings", func(s *Adapter) *Map[any] { return &s.in.Settings }),
		value("backend", func(s *Adapter) *string { return &s.in.Backend }),
	},
	out: []field[Adapter]{
		value("duration", func(s *Adapter) *time.Duration { return &s.out.Duration }),
	},
}
