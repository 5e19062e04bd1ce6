package stages

import "reflect"

// layout is a spec without its type: the names of a payload's fields.
type layout struct {
	payload                        string
	in, out, inDerived, outDerived []string
}

// layouts are the payloads of all chains, by the chain's name.
var layouts = map[string]layout{
	"session":        sessionSpec.layout(),
	"reset":          resetSpec.layout(),
	"cleanup":        cleanupSpec.layout(),
	"create":         createSpec.layout(),
	"component":      componentSpec.layout(),
	"generation":     generationSpec.layout(),
	"chunk":          chunkSpec.layout(),
	"stream":         streamEventSpec.layout(),
	"validation":     validationSpec.layout(),
	"sampling":       samplingSpec.layout(),
	"iteration":      iterationSpec.layout(),
	"repair":         repairSpec.layout(),
	"tool":           toolSpec.layout(),
	"adapter_load":   adapterSpec.layout(),
	"adapter_unload": adapterSpec.layout(),
	"history_change": historyChangeSpec.layout(),
	"fault":          faultSpec.layout(),
}

func (s spec[S]) layout() layout {
	l := layout{payload: reflect.TypeFor[S]().Name()}
	split := func(fields []field[S]) (all, derived []string) {
		for _, f := range fields {
			all = append(all, f.name)
			if f.derived() {
				derived = append(derived, f.name)
			}
		}
		return all, derived
	}
	l.in, l.inDerived = split(s.in)
	l.out, l.outDerived = split(s.out)
	return l
}
