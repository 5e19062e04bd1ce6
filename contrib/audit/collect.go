package audit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

const (
	maxName = 256     // bytes of an id or a name
	maxKept = 4 << 10 // bytes of what Settings.Keep keeps, each
)

// outcome is a chain.Outcome of any payload.
type outcome = chain.Outcome[payload]

type payload interface{ Meta() stages.Meta }

// observe makes a record of an outcome and waits until it is written.
func observe[P payload](ctx context.Context, p *Plugin, stage string, o chain.Outcome[P]) {
	if o.Err == nil && p.skip[stage] {
		return
	}
	r := p.record(ctx, stage, outcome{
		Payload: o.Payload, Err: o.Err, Verdict: o.Verdict, Link: o.Link, Answered: o.Answered, Duration: o.Duration,
	})
	p.delivery.put(ctx, r)
}

func (p *Plugin) record(ctx context.Context, stage string, o outcome) *Record {
	m := o.Payload.Meta()
	r := &Record{
		Time: time.Now().UTC(), Chain: stage, Hook: hookOf(stage, o), Verdict: o.Verdict, Link: cut(o.Link),
		Answered: o.Answered, Duration: o.Duration, SessionID: cut(m.SessionID), RequestID: cut(m.RequestID),
		ParentRequestID: cut(m.ParentRequestID), CorrelationID: cut(m.CorrelationID), ComponentKind: cut(m.ComponentKind),
		ComponentName: cut(m.ComponentName), Strategy: cut(m.Strategy),
	}
	if v := violation(o.Err); v != nil {
		r.Code = cut(v.Code)
	}
	p.who(r, m)
	facts(ctx, r, o)
	if p.s.Redact != nil {
		p.contents(r, o)
	}
	return r
}

func violation(err error) *chain.Violation {
	var v *chain.Violation
	if !errors.As(err, &v) {
		return nil
	}
	return v
}

// hookOf is the row of the table of hook points that a call got to.
func hookOf(stage string, o outcome) (name string) {
	if p, ok := o.Payload.(interface{ Hook() string }); ok {
		return p.Hook()
	}
	after := false
	if p, ok := o.Payload.(interface{ HasResult() bool }); ok {
		after = p.HasResult()
	}
	position := chain.KindBefore
	switch {
	case o.Err != nil && o.Verdict != chain.Blocked && hooks[stage][chain.KindOnError] != "":
		position = chain.KindOnError
	case after, hooks[stage][position] == "":
		position = chain.KindAfter
	}
	if name = hooks[stage][position]; name == "" {
		name = hooks[stage][chain.KindObserve]
	}
	return name
}

// hooks are the names of hook points by stage and position.
var hooks = func() map[string]map[chain.Kind]string {
	out := map[string]map[chain.Kind]string{}
	for _, h := range stages.HookPoints() {
		if out[h.Chain] == nil {
			out[h.Chain] = map[chain.Kind]string{}
		}
		out[h.Chain][h.Position] = h.Name
	}
	return out
}()

// who copies what Settings.Keep says of whom a call is for.
func (p *Plugin) who(r *Record, m stages.Meta) {
	if p.keepUser {
		r.UserID = cut(m.UserID)
	}
	for k := range p.keep {
		of, key, _ := strings.Cut(k, ".")
		if of == "labels" {
			if v, ok := m.Labels.Get(key); ok && len(v) <= maxKept {
				r.Labels = with(r.Labels, key, v)
			}
			continue
		}
		if v, ok := m.Metadata.Get(key); ok {
			if b, err := json.Marshal(v); err == nil && len(b) <= maxKept {
				r.Metadata = with(r.Metadata, key, json.RawMessage(b))
			}
		}
	}
}

func with[V any](m map[string]V, key string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = v
	return m
}

// facts are what a payload has beside its contents.
func facts(ctx context.Context, r *Record, o outcome) {
	err := o.Err
	b := stages.From(ctx).Backend()
	if x, ok := o.Payload.(interface{ Backend() stages.Backend }); ok && x.Backend() != (stages.Backend{}) {
		b = x.Backend()
	}
	r.Backend, r.Provider, r.Model = cut(b.Name), cut(b.Provider), cut(b.Model)
	if x, ok := o.Payload.(interface{ Err() error }); ok && err == nil {
		err = x.Err()
	}
	if x, ok := o.Payload.(interface{ Failure() stages.Failure }); ok {
		r.FaultKind = cut(string(x.Failure().Kind))
		if err == nil {
			err = x.Failure().Err
		}
	}
	r.ErrorKind = string(stages.KindOfError(err))
	success := func(is bool) { r.Success = &is }
	usage := func(u stages.Usage) {
		if u != (stages.Usage{}) {
			r.Usage = &u
		}
	}
	switch x := o.Payload.(type) {
	case *stages.Session:
		if x.ModelID() != "" {
			r.Model = cut(x.ModelID())
		}
	case *stages.Cleanup:
		usage(x.Usage())
	case *stages.Component:
		usage(x.Usage())
		if x.HasResult() {
			success(x.Success())
		}
	case *stages.Generation:
		usage(x.Output().Usage)
		r.Source, r.AnsweringModel = cut(string(x.Source())), cut(x.Output().Model)
	case *stages.Validation:
		if x.HasResult() {
			success(x.AllPassed())
		}
	case *stages.Sampling:
		usage(x.Usage())
		if x.HasResult() {
			success(x.Success())
		}
	case *stages.Iteration:
		usage(x.Result().Usage)
		success(x.AllValid())
	case *stages.Tool:
		if _, ok := x.Callable(); ok { // any other name is a text that the model made up
			r.Tool = cut(x.Name())
		}
		if x.HasResult() {
			success(x.Success())
		}
	case *stages.StreamEvent:
		if x.Phase() == stages.StreamEnd {
			success(x.Success())
		}
	}
}

// cut limits a name.
func cut(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// contents are the texts of a call, redacted.
func (p *Plugin) contents(r *Record, o outcome) {
	if r.Chain == "chunk" { // what is split across two of them is found in neither
		r.NoContents = "chunk"
		return
	}
	b, err := texts(r.Hook, o)
	if err != nil {
		r.NoContents = "not_encodable"
		return
	}
	if b, err = scrub(b, p.s.Redact); err != nil {
		r.NoContents = "redactor_failed"
		return
	}
	if len(b) > p.s.MaxContents {
		r.NoContents = "too_large"
		return
	}
	r.Contents = b
}

// texts is all of a call that may hold contents, as JSON and not redacted yet.
func texts(hook string, o outcome) (_ []byte, err error) {
	defer func() {
		if recover() != nil { // in a method of an error, say
			err = errors.New("panic")
		}
	}()
	b, err := stages.Encode(hook, o.Payload)
	if err != nil {
		return nil, err
	}
	var t struct {
		Meta struct {
			UserID   string          `json:"user_id,omitempty"`
			Labels   json.RawMessage `json:"labels,omitempty"`
			Metadata json.RawMessage `json:"metadata,omitempty"`
		} `json:"meta,omitzero"`
		Fields    json.RawMessage  `json:"fields,omitempty"`
		Result    json.RawMessage  `json:"result,omitempty"`
		Error     string           `json:"error,omitempty"`
		Violation *chain.Violation `json:"violation,omitempty"`
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, err
	}
	if v := violation(o.Err); v != nil {
		t.Violation = v
	} else if o.Err != nil {
		t.Error = o.Err.Error()
	}
	b, err = json.Marshal(t)
	if err != nil && t.Violation != nil { // details that are no JSON
		v := *t.Violation
		v.Details = nil
		t.Violation = &v
		b, err = json.Marshal(t)
	}
	return b, err
}
