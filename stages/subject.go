package stages

import "context"

// Subject is what a call is about, for conditions: Entry.When.
type Subject struct {
	Meta     Meta
	Model    string // of the backend that answers; the one that was asked for in session_pre_init
	Provider string // of that backend
	Tool     string // that is run, "" outside of the tool stage
}

// subjectOf reads a payload, and of what it does not have the request.
func subjectOf(ctx context.Context, payload any) (s Subject) {
	if p, ok := payload.(interface{ Meta() Meta }); ok {
		s.Meta = p.Meta()
	}
	b := From(ctx).Backend()
	if p, ok := payload.(interface{ Backend() Backend }); ok && p.Backend() != (Backend{}) {
		b = p.Backend()
	}
	s.Model, s.Provider = b.Model, b.Provider
	switch p := payload.(type) {
	case *Session:
		if p.ModelID() != "" {
			s.Model = p.ModelID()
		}
	case *Tool:
		s.Tool = p.Name()
	}
	return s
}
