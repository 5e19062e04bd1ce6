package chain

// Fitting is options for links of several kinds at once. A link takes those that its kind can have, and Explain notes
// which were left out and why: the hard timeout of an Around, the mode Concurrent of an observer. OnFailure(Fail) is left
// out for as long as the link runs in a mode in which it cannot stop a call. What is wrong for every kind, an unknown mode,
// say, is an error from Use as ever. Nil options are skipped.
func Fitting(opts ...Option) Option {
	return option(func(s *settings) {
		for _, o := range opts {
			if o == nil {
				continue
			}
			t := s.with([]Option{o})
			if why := t.misfit(); why != "" && why != s.misfit() {
				s.notes = append(s.notes, "left out: "+why)
				continue
			}
			other := t.mode != s.mode && !t.canStop() // what Fail was said about
			t.failureYields = t.failure == Fail && (s.failure != Fail || s.failureYields || other)
			*s = t
		}
	})
}

// Fits says whether the kind of the link can have an option, or why it cannot.
func (l Link[P]) Fits(o Option) error {
	if o == nil || l.kind == KindOverride {
		return nil
	}
	s := settings{name: l.name, kind: l.kind}
	s = s.with([]Option{o})
	if why := s.misfit(); why != "" {
		return s.wrong("%s", why)
	}
	return nil
}

// misfit says what is wrong with the settings for the kind of link, whatever its mode.
func (s *settings) misfit() string {
	around, observer := s.kind == KindAround, s.observes()
	switch {
	case around && s.mode != Sequential && s.mode != Audit && s.mode < Disabled:
		return "mode " + s.mode.String() + ": an Around takes sequential, audit or disabled"
	case observer && s.mode != Sequential && s.mode != FireAndForget && s.mode < Disabled:
		return "mode " + s.mode.String() + ": an observer takes sequential, fire_and_forget or disabled"
	case around && s.timeout > 0:
		return "a hard timeout is for hooks; use middleware.Timeout to bound what an Around wraps"
	case s.outer && !around:
		return "Outer is for Around links"
	case s.candidateFor != "" && s.kind != KindBefore && s.kind != KindAfter:
		return "CandidateFor is for Before and After hooks"
	case s.timed && !observer:
		return "Timed is for observers"
	case s.failure == Fail && observer:
		return "OnFailure(Fail): " + cannotStop
	}
	return ""
}

const cannotStop = "this link cannot stop a call"
