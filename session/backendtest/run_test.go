package backendtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// honest is a backend that does everything right: it asks its service by a function call. A fault makes it do one thing
// wrong.
type honest struct {
	service *Service
	fault   string
	calls   atomic.Int64
}

func (b *honest) Describe() stages.Backend {
	d := stages.Backend{Name: "honest", Model: "m", Capabilities: stages.Capabilities{Streaming: true, Tools: true, Formats: true}}
	switch b.fault {
	case "no name":
		d.Name = ""
	case "claims adapters":
		d.Capabilities.Adapters = true
	case "denies its streams":
		d.Capabilities.Streaming = false
	case "says another thing each time":
		d.Model = fmt.Sprint(b.calls.Add(1))
	}
	return d
}

func (b *honest) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return b.ask(ctx, g, nil)
}

func (b *honest) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	return b.ask(ctx, g, emit)
}

func (b *honest) refuse(what string) error {
	e := &session.BackendError{Kind: session.BackendInvalidRequest, Backend: "honest", Message: "no " + what}
	switch b.fault {
	case "an untyped refusal":
		return errors.New("no " + what)
	case "a nameless refusal":
		e.Message = "no"
	}
	return e
}

func (b *honest) ask(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o := g.ModelOptions()
	if o.Extra.Len() > 0 {
		if b.fault != "drops extra options" {
			return nil, b.refuse("backendtest option")
		}
		o.Extra = stages.Map[any]{}
	}
	m := g.Messages()
	if m.Len() > 0 && m.At(m.Len()-1).Images.Len() > 0 && b.fault != "drops images" {
		return nil, b.refuse("image")
	}
	if b.fault == "drops top_p" {
		o.TopP = stages.Optional[float64]{}
	}
	if b.fault == "drops a stop" && o.Stop.Len() > 1 {
		o.Stop = stages.ListOf(o.Stop.At(0))
	}
	if b.fault == "drops earlier messages" {
		m = stages.ListOf(m.At(m.Len() - 1))
	}
	request, _ := json.Marshal(map[string]any{
		"messages": m, "options": o, "tools": g.Tools(), "format": g.Format(), "model": g.Backend().Model,
	})
	if b.fault == "drops the model" {
		request = []byte(strings.ReplaceAll(string(request), g.Backend().Model, ""))
	}
	wire, hangUp := context.WithCancel(ctx)
	if b.fault == "leaves the request running" {
		wire, hangUp = context.WithTimeout(context.WithoutCancel(ctx), 300*time.Millisecond)
	}
	defer func() {
		if b.fault != "leaves the request running" {
			hangUp()
		}
	}()
	var reply Reply
	for attempts := 1; ; attempts++ {
		var ok bool
		if reply, ok = b.wait(wire, ctx, request); !ok {
			return nil, b.context(ctx)
		}
		if reply.Failure == nil || b.fault != "retries" || attempts == 2 {
			break
		}
	}
	if f := reply.Failure; f != nil {
		e := &session.BackendError{Kind: f.Kind, Backend: "honest", Status: f.Status, RetryAfter: f.RetryAfter}
		switch b.fault {
		case "an untyped error":
			return nil, errors.New("it failed")
		case "another kind":
			e.Kind = session.BackendServerError
		case "forgets retry after":
			e.RetryAfter = 0
		case "repeats what was asked":
			e.Message = f.Message
		}
		return nil, e
	}
	var text []string
	for piece := range reply.Pieces {
		if ctx.Err() != nil {
			break
		}
		text = append(text, piece)
		if emit == nil {
			continue
		}
		if b.fault == "emits in another order" {
			piece = strings.ToUpper(piece)
		}
		if err := emit(piece); err != nil && b.fault != "ignores emit" {
			hangUp()
			if b.fault == "another error for that of emit" {
				return nil, errors.New("emit failed")
			}
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, b.context(ctx)
	}
	if reply.Ending != Complete && b.fault != "takes half an answer" {
		return nil, &session.BackendError{Kind: session.BackendTransportError, Backend: "honest"}
	}
	out := stages.Output{
		Text: strings.Join(text, ""), ToolCalls: stages.ListOf(reply.ToolCalls...), FinishReason: reply.Finish, Usage: reply.Usage, Model: reply.Model,
	}
	switch {
	case b.fault == "no usage in streams" && emit != nil:
		out.Usage = stages.Usage{}
	case b.fault == "no tool calls in streams" && emit != nil:
		out.ToolCalls = stages.List[stages.ToolCall]{}
	case b.fault == "another reason for tool calls" && out.ToolCalls.Len() > 0:
		out.FinishReason = stages.FinishStop
	case b.fault == "trims the text":
		out.Text = strings.TrimSpace(out.Text)
	case b.fault == "another one's answer" && b.calls.Add(1) > 1:
		out.Text = "answer 0"
	case b.fault == "no answer":
		return g, nil
	}
	return g.Done(stages.GenerationResult{Output: out}), nil
}

func (b *honest) context(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && b.fault != "an untyped timeout" {
		return &session.BackendError{Kind: session.BackendTimeout, Backend: "honest", Err: ctx.Err()}
	}
	return ctx.Err()
}

func (b *honest) wait(wire, ctx context.Context, request []byte) (Reply, bool) {
	replies := make(chan Reply, 1)
	go func() { replies <- b.service.Reply(wire, request) }()
	select {
	case r := <-replies:
		return r, ctx.Err() == nil
	case <-ctx.Done():
		return Reply{}, false
	}
}

func TestHonest(t *testing.T) { //nolint:paralleltest // it counts goroutines
	Run(t, Subject{Start: func(_ testing.TB, s *Service) session.Backend { return &honest{service: s} }})
}

func TestSuiteFinds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fault string
		check Check // that finds it; others may too
		says  string
	}{
		{"no name", CheckAnswer, "no name"},
		{"claims adapters", CheckAnswer, "no AdapterLoader"},
		{"denies its streams", CheckAnswer, "capability streaming"},
		{"says another thing each time", CheckAnswer, "something else each time"},
		{"no answer", CheckAnswer, "neither an answer nor an error"},
		{"no usage in streams", CheckAnswer, "no usage"},
		{"no usage in streams", CheckStream, "unary"},
		{"no tool calls in streams", CheckStream, "tool calls"},
		{"another reason for tool calls", CheckStream, "finish reason"},
		{"trims the text", CheckStream, "white space"},
		{"emits in another order", CheckStream, "emitted was"},
		{"leaves the request running", CheckCancel, "the request goes on"},
		{"ignores emit", CheckCancel, "emit"},
		{"another error for that of emit", CheckCancel, "an error of emit"},
		{"an untyped error", CheckErrors, "want a *session.BackendError"},
		{"another kind", CheckErrors, "got kind server_error"},
		{"forgets retry after", CheckErrors, "retry after 0s"},
		{"repeats what was asked", CheckErrors, "repeats what was asked"},
		{"retries", CheckErrors, "asked 2 times"},
		{"takes half an answer", CheckErrors, "breaks off"},
		{"an untyped timeout", CheckErrors, "a deadline"},
		{"drops extra options", CheckOptions, "backendtest_option"},
		{"drops top_p", CheckOptions, "top_p"},
		{"drops a stop", CheckOptions, "OR-HERE"},
		{"drops the model", CheckOptions, "another-model"},
		{"an untyped refusal", CheckOptions, "invalid_request"},
		{"a nameless refusal", CheckOptions, "not by its name"},
		{"drops earlier messages", CheckRequest, "Be brief."},
		{"drops images", CheckRequest, "image"},
		{"another one's answer", CheckConcurrency, "want answer"},
	} {
		t.Run(tc.fault+"/"+string(tc.check), func(t *testing.T) {
			patience := 10 * time.Second
			if tc.check == CheckCancel {
				patience = 100 * time.Millisecond
			}
			for _, c := range checks {
				if c.name != tc.check {
					continue
				}
				e := newExam(t, Subject{Patience: patience, Start: func(_ testing.TB, s *Service) session.Backend {
					return &honest{service: s, fault: tc.fault}
				}})
				c.run(e)
				if !slices.ContainsFunc(e.complaints, func(s string) bool { return strings.Contains(s, tc.says) }) {
					t.Errorf("it found %q, want %q among it", e.complaints, tc.says)
				}
			}
		})
	}
}
