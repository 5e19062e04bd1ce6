package stages

import "github.com/maillon-go/maillon/chain"

// The payloads marshal themselves for logs and audits, in the form of Encode at the hook point that they seem to be at. It
// is left out where a payload does not know: an Adapter, whose chain says whether it is loaded or unloaded. Only Encode is
// told, so what is to be decoded comes from there.

// MarshalJSON gives the payload in the form of Encode.
func (s *Session) MarshalJSON() ([]byte, error) { return marshal(s, "session") }

// MarshalJSON gives the payload in the form of Encode.
func (r *Reset) MarshalJSON() ([]byte, error) { return marshal(r, "reset") }

// MarshalJSON gives the payload in the form of Encode.
func (c *Cleanup) MarshalJSON() ([]byte, error) { return marshal(c, "cleanup") }

// MarshalJSON gives the payload in the form of Encode.
func (c *Create) MarshalJSON() ([]byte, error) { return marshal(c, "create") }

// MarshalJSON gives the payload in the form of Encode.
func (c *Component) MarshalJSON() ([]byte, error) { return marshal(c, "component") }

// MarshalJSON gives the payload in the form of Encode.
func (g *Generation) MarshalJSON() ([]byte, error) { return marshal(g, "generation") }

// MarshalJSON gives the payload in the form of Encode.
func (c *Chunk) MarshalJSON() ([]byte, error) { return marshal(c, "chunk") }

// MarshalJSON gives the payload in the form of Encode.
func (s *StreamEvent) MarshalJSON() ([]byte, error) { return marshal(s, "stream") }

// MarshalJSON gives the payload in the form of Encode.
func (val *Validation) MarshalJSON() ([]byte, error) { return marshal(val, "validation") }

// MarshalJSON gives the payload in the form of Encode.
func (s *Sampling) MarshalJSON() ([]byte, error) { return marshal(s, "sampling") }

// MarshalJSON gives the payload in the form of Encode.
func (i *Iteration) MarshalJSON() ([]byte, error) { return marshal(i, "iteration") }

// MarshalJSON gives the payload in the form of Encode.
func (r *Repair) MarshalJSON() ([]byte, error) { return marshal(r, "repair") }

// MarshalJSON gives the payload in the form of Encode.
func (t *Tool) MarshalJSON() ([]byte, error) { return marshal(t, "tool") }

// MarshalJSON gives the payload in the form of Encode, without the hook.
func (a *Adapter) MarshalJSON() ([]byte, error) { return marshal(a, "") }

// MarshalJSON gives the payload in the form of Encode.
func (h *HistoryChange) MarshalJSON() ([]byte, error) { return marshal(h, "history_change") }

// MarshalJSON gives the payload in the form of Encode.
func (f *Fault) MarshalJSON() ([]byte, error) { return marshal(f, "fault") }

// marshal writes a payload of the named chain, which is empty where the payload does not know.
func marshal[S any](p *S, chainName string) ([]byte, error) {
	of := chainName
	if of == "" {
		of = "adapter_load"
	}
	w, _ := wireForms()[of].(wireOf[S])
	h := w.guess(of, p)
	name := h.Name
	if chainName == "" {
		name = ""
	}
	return w.write(h, name, p)
}

// guess is the hook point that a payload seems to be at.
func (w wireOf[S]) guess(chainName string, p *S) (at HookPoint) {
	position := chain.KindBefore
	switch {
	case w.spec.hasResult(p):
		position = chain.KindAfter
	case w.failed(p):
		position = chain.KindOnError
	}
	for _, h := range hookPoints {
		if h.Chain != chainName {
			continue
		}
		if at.Name == "" || h.Position == position {
			at = h
		}
		if _, err := w.own(h, any(p)); h.Position == chain.KindObserve && err == nil {
			return h
		}
	}
	return at
}

func (w wireOf[S]) failed(p *S) bool {
	if f, ok := any(p).(interface{ Failure() Failure }); ok && f.Failure().Err != nil {
		return true
	}
	return w.hasOut(HookPoint{Position: chain.KindOnError}, p)
}
