package stages

import "time"

// Session is the start of a session. Before hooks may route it to another backend or model; After hooks see what was
// opened.
type Session struct {
	meta Meta
	in   SessionFields
	out  SessionResult
	done bool
}

// SessionFields is what a Session carries from the start.
type SessionFields struct {
	BackendName     string       // the backend that is asked for, by its registered name; empty for one given as a value
	ModelID         string       // the model, in the words of the backend
	ModelOptions    ModelOptions // the options that every generation of the session starts from
	BackendSettings Map[any]     // what the backend is opened with
	HistoryKind     HistoryKind  // what the model sees of the past
}

// SessionResult is what came of the start.
type SessionResult struct {
	Backend Backend // the one that was opened
	History History // the conversation that the session starts with
}

// NewSession makes the payload of one call.
func NewSession(m Meta, f SessionFields) *Session { return &Session{meta: m.versioned(), in: f} }

// Done gives the payload with its result, for the way out. s stays as it is.
func (s *Session) Done(res SessionResult) *Session {
	n := *s
	n.out, n.done = res, true
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (s *Session) HasResult() bool { return s.done }

// Meta says which call this is.
func (s *Session) Meta() Meta { return s.meta }

// BackendName is the registered name of the backend that is asked for; empty for one given as a value.
func (s *Session) BackendName() string { return s.in.BackendName }

// WithBackendName gives a copy with another backend name.
func (s *Session) WithBackendName(v string) *Session {
	n := *s
	n.in.BackendName = v
	return &n
}

// ModelID is the model, in the words of the backend.
func (s *Session) ModelID() string { return s.in.ModelID }

// WithModelID gives a copy with another model id.
func (s *Session) WithModelID(v string) *Session {
	n := *s
	n.in.ModelID = v
	return &n
}

// ModelOptions are the options that every generation of the session starts from.
func (s *Session) ModelOptions() ModelOptions { return s.in.ModelOptions }

// WithModelOptions gives a copy with other model options.
func (s *Session) WithModelOptions(v ModelOptions) *Session {
	n := *s
	n.in.ModelOptions = v
	return &n
}

// BackendSettings are what the backend is opened with.
func (s *Session) BackendSettings() Map[any] { return s.in.BackendSettings }

// WithBackendSettings gives a copy with other backend settings.
func (s *Session) WithBackendSettings(v Map[any]) *Session {
	n := *s
	n.in.BackendSettings = v
	return &n
}

// HistoryKind is what the model sees of the past.
func (s *Session) HistoryKind() HistoryKind { return s.in.HistoryKind }

// Backend is the backend that was opened.
func (s *Session) Backend() Backend { return s.out.Backend }

// History is the conversation that the session starts with.
func (s *Session) History() History { return s.out.History }

var sessionSpec = spec[Session]{
	meta: func(s *Session) *Meta { return &s.meta },
	done: func(s *Session) *bool { return &s.done },
	in: []field[Session]{
		value("backend_name", func(s *Session) *string { return &s.in.BackendName }),
		value("model_id", func(s *Session) *string { return &s.in.ModelID }),
		by("model_options", func(s *Session) *ModelOptions { return &s.in.ModelOptions }, sameOptions),
		value("backend_settings", func(s *Session) *Map[any] { return &s.in.BackendSettings }),
		value("history_kind", func(s *Session) *HistoryKind { return &s.in.HistoryKind }),
	},
	out: []field[Session]{
		value("backend", func(s *Session) *Backend { return &s.out.Backend }),
		value("history", func(s *Session) *History { return &s.out.History }),
	},
}

// Reset is a session about to forget its history.
type Reset struct {
	meta Meta
	in   ResetFields
}

// ResetFields is what a Reset carries from the start.
type ResetFields struct {
	PreviousHistory History // what would be forgotten
	NewHistory      History // what the session would go on with
	Reason          string  // why, in the words of whoever asked for it
}

// NewReset makes the payload of one call.
func NewReset(m Meta, f ResetFields) *Reset { return &Reset{meta: m.versioned(), in: f} }

// Meta says which call this is.
func (r *Reset) Meta() Meta { return r.meta }

// PreviousHistory is what would be forgotten.
func (r *Reset) PreviousHistory() History { return r.in.PreviousHistory }

// NewHistory is what the session would go on with.
func (r *Reset) NewHistory() History { return r.in.NewHistory }

// Reason is why, in the words of whoever asked for it.
func (r *Reset) Reason() string { return r.in.Reason }

var resetSpec = spec[Reset]{
	meta: func(s *Reset) *Meta { return &s.meta },
	in: []field[Reset]{
		value("previous_history", func(s *Reset) *History { return &s.in.PreviousHistory }),
		value("new_history", func(s *Reset) *History { return &s.in.NewHistory }),
		value("reason", func(s *Reset) *string { return &s.in.Reason }),
	},
}

// Cleanup is the end of a session. It comes once, and nothing can stop it.
type Cleanup struct {
	meta Meta
	in   CleanupFields
}

// CleanupFields is what a Cleanup carries from the start.
type CleanupFields struct {
	FinalHistory History        // the conversation as it ended
	Interactions int            // components executed
	Generations  int            // requests to models
	Usage        Usage          // of all generations together
	Duration     time.Duration  // since the session started
	Log          List[Exchange] // all generations, oldest first, where the session keeps a log
	Err          error          // what ended the session, nil for an ordinary Close
}

// NewCleanup makes the payload of one call.
func NewCleanup(m Meta, f CleanupFields) *Cleanup { return &Cleanup{meta: m.versioned(), in: f} }

// Meta says which call this is.
func (c *Cleanup) Meta() Meta { return c.meta }

// FinalHistory is the conversation as it ended.
func (c *Cleanup) FinalHistory() History { return c.in.FinalHistory }

// Interactions is the number of components executed.
func (c *Cleanup) Interactions() int { return c.in.Interactions }

// Generations is the number of requests to models.
func (c *Cleanup) Generations() int { return c.in.Generations }

// Usage is what all generations used together.
func (c *Cleanup) Usage() Usage { return c.in.Usage }

// Duration is the time since the session started.
func (c *Cleanup) Duration() time.Duration { return c.in.Duration }

// Log is the log of all generations, oldest first, where the session keeps one.
func (c *Cleanup) Log() List[Exchange] { return c.in.Log }

// Err is what ended the session, nil for an ordinary Close.
func (c *Cleanup) Err() error { return c.in.Err }

var cleanupSpec = spec[Cleanup]{
	meta: func(s *Cleanup) *Meta { return &s.meta },
	in: []field[Cleanup]{
		value("final_history", func(s *Cleanup) *History { return &s.in.FinalHistory }),
		value("interactions", func(s *Cleanup) *int { return &s.in.Interactions }),
		value("generations", func(s *Cleanup) *int { return &s.in.Generations }),
		value("usage", func(s *Cleanup) *Usage { return &s.in.Usage }),
		value("duration", func(s *Cleanup) *time.Duration { return &s.in.Duration }),
		by("log", func(s *Cleanup) *List[Exchange] { return &s.in.Log }, sameList[Exchange]),
		by("error", func(s *Cleanup) *error { return &s.in.Err }, sameValue),
	},
}
