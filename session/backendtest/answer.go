package backendtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func (e *exam) answer() {
	want := says("High water ", "is at 06:40.")
	e.service.answers(always(want))
	g := e.generation()
	for _, w := range e.ways() {
		o := e.do(context.Background(), w, g, nil)
		if o.err != nil {
			e.bad("%s: %v", w.name, o.err)
			continue
		}
		if g.HasResult() || g.Output().Text != "" {
			e.bad("%s changed the payload that it was given", w.name)
		}
		out := o.g.Output()
		if out.Usage.InputTokens <= 0 || out.Usage.OutputTokens <= 0 {
			e.bad("%s: no usage: %+v", w.name, out.Usage)
		}
		if out.FinishReason == "" {
			e.bad("%s: no finish reason", w.name)
		}
		if e.Local {
			if out.Text == "" {
				e.bad("%s: no text", w.name)
			}
			continue
		}
		if out.Text != want.Text() || out.FinishReason != want.Finish || out.Usage != want.Usage || out.Model != want.Model {
			e.bad("%s: got %q, %s, %+v of %q, want %q, %s, %+v of %q", w.name, out.Text, out.FinishReason, out.Usage, out.Model,
				want.Text(), want.Finish, want.Usage, want.Model)
		}
	}
	e.describe()
}

func (e *exam) describe() {
	d, ok := e.backend.(session.Describer)
	if !ok {
		return
	}
	_, loader := e.backend.(session.AdapterLoader)
	can := e.about.Capabilities
	switch {
	case e.about.Name == "":
		e.bad("Describe gives no name")
	case d.Describe() != e.about:
		e.bad("Describe says something else each time")
	}
	if can.Streaming && e.streamer == nil || !can.Streaming && e.streamer != nil {
		e.bad("capability streaming is %v, but that it is a Streamer is %v", can.Streaming, e.streamer != nil)
	}
	if can.Adapters && !loader {
		e.bad("capability adapters, but it is no AdapterLoader")
	}
}

func (e *exam) stream() {
	if e.streamer == nil {
		return
	}
	if e.Local {
		e.same("the prompt", nil)
		return
	}
	tools := says()
	tools.Finish = stages.FinishToolCalls
	tools.ToolCalls = []stages.ToolCall{
		{ID: "call-1", Name: "lookup_tide", Arguments: `{"harbour":"north","deep":{"list":[1,2.5,"é"]}}`},
		{ID: "call-2", Name: "lookup_tide", Arguments: `{}`},
	}
	tooLong := says("It was a", " dark")
	tooLong.Finish = stages.FinishLength
	for name, reply := range map[string]Reply{
		"nothing":             says(),
		"one piece":           says("One."),
		"many pieces":         says(strings.SplitAfter(strings.Repeat("word ", 300)+"end", " ")...),
		"white space":         says(" ", "\n", "\t\n ", "end", "\n\n"),
		"other scripts":       says("é", "日本", "🙂", "\u2028", "\x00"),
		"marks of JSON":       says(`"}`, "\\", "{", `","`, "]"),
		"marks of protocols":  says("data: [DONE]\n\n", "event: x\r\n", "{\"done\":true}\n", "[DONE]"),
		"a piece of a MiB":    says(strings.Repeat("0123456789abcdef", 1<<16), "."),
		"cut off by a limit":  tooLong,
		"two calls of a tool": tools,
	} {
		e.service.answers(always(reply))
		e.same(name, &reply)
	}
}

// same asks in both ways.
func (e *exam) same(name string, want *Reply) {
	g := e.generation(func(f *stages.GenerationFields) {
		if want != nil && len(want.ToolCalls) > 0 {
			if !e.about.Capabilities.Tools {
				return
			}
			f.Tools = stages.ListOf(tool)
		}
	})
	if want != nil && len(want.ToolCalls) > 0 && g.Tools().Len() == 0 {
		return
	}
	var got [2]outcome
	for i, w := range e.ways() {
		if got[i] = e.do(context.Background(), w, g, nil); got[i].err != nil {
			e.bad("%s, %s: %v", name, w.name, got[i].err)
			return
		}
		if want == nil {
			continue
		}
		if text := got[i].g.Output().Text; text != want.Text() {
			e.bad("%s, %s: text %.100q, want %.100q", name, w.name, text, want.Text())
		}
		if r := got[i].g.Output().FinishReason; r != want.Finish {
			e.bad("%s, %s: finish reason %s, want %s", name, w.name, r, want.Finish)
		}
		calls := got[i].g.Output().ToolCalls
		if calls.Len() != len(want.ToolCalls) {
			e.bad("%s, %s: tool calls %v, want %v", name, w.name, calls.Slice(), want.ToolCalls)
			continue
		}
		for j, c := range calls.All() {
			if w := want.ToolCalls[j]; c.Name != w.Name || !sameJSON(string(c.Arguments), string(w.Arguments)) {
				e.bad("%s: tool call %+v, want %+v", name, c, w)
			}
		}
	}
	unary, streamed := got[0].g.Output(), got[1].g.Output()
	if streamed.Text != got[1].text() {
		e.bad("%s: the text is %.100q, but emitted was %.100q", name, streamed.Text, got[1].text())
	}
	if unary.Text != streamed.Text || unary.FinishReason != streamed.FinishReason || unary.Usage != streamed.Usage || unary.Model != streamed.Model {
		e.bad("%s: unary %.100q, %s, %+v of %q; streamed %.100q, %s, %+v of %q", name,
			unary.Text, unary.FinishReason, unary.Usage, unary.Model, streamed.Text, streamed.FinishReason, streamed.Usage, streamed.Model)
	}
	if e.Local && len(got[1].emitted) < 2 {
		e.bad("%s: streamed in %d pieces", name, len(got[1].emitted))
	}
	for _, p := range got[1].emitted {
		if p == "" {
			e.bad("%s: emitted nothing", name)
			break
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

var errEmit = errors.New("backendtest: nobody wants the rest")

func (e *exam) cancel() {
	gone, cancelled := context.WithCancel(context.Background())
	cancelled()
	for _, w := range e.ways() {
		if o := e.do(gone, w, e.generation(), nil); !errors.Is(o.err, context.Canceled) {
			e.bad("%s with a cancelled context: got %v, want context.Canceled", w.name, o.err)
		}
	}
	if e.streamer != nil {
		e.giveUp("cancelled in the middle of a stream", context.Canceled, func(cancel func()) error {
			cancel()
			return nil
		})
		e.giveUp("an error of emit", errEmit, func(func()) error { return errEmit })
	}
	if e.Local {
		return
	}
	// No answer yet: the call is cancelled while the server thinks.
	for _, w := range e.ways() {
		begun, ended := make(chan struct{}), make(chan struct{})
		e.service.answers(func(ctx context.Context, _ string) Reply {
			close(begun)
			<-ctx.Done()
			close(ended)
			return says()
		})
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			receive(begun, e.Patience)
			cancel()
		}()
		o := e.do(ctx, w, e.generation(), nil)
		cancel()
		if !errors.Is(o.err, context.Canceled) {
			e.bad("%s, cancelled while it waits: got %v, want context.Canceled", w.name, o.err)
		}
		if _, ok := receive(ended, e.Patience); !ok {
			e.bad("%s, cancelled while it waits: the request goes on", w.name)
		}
	}
}

// giveUp ends a stream at its first piece.
func (e *exam) giveUp(what string, want error, react func(cancel func()) error) {
	ended := make(chan struct{})
	e.service.answers(func(ctx context.Context, _ string) Reply {
		r := says()
		r.Pieces = func(yield func(string) bool) {
			defer close(ended)
			if yield("One piece, ") {
				<-ctx.Done()
			}
		}
		return r
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := e.do(ctx, e.ways()[1], e.generation(), func(string) error { return react(cancel) })
	if len(o.emitted) == 0 && !o.hung {
		e.bad("%s: nothing was emitted: %v", what, o.err)
	}
	if !errors.Is(o.err, want) {
		e.bad("%s: got %v, want %v", what, o.err, want)
	}
	if len(o.emitted) > 1 && errors.Is(want, errEmit) {
		e.bad("%s: emit was called again", what)
	}
	if e.Local {
		return
	}
	if _, ok := receive(ended, e.Patience); !ok {
		e.bad("%s: the request goes on", what)
	}
}

// concurrency is how many ask at once.
const concurrency = 64

func (e *exam) concurrency() {
	e.service.answers(func(_ context.Context, request string) Reply {
		_, rest, _ := strings.Cut(request, "question-")
		number, _, _ := strings.Cut(rest, "-")
		return says("answer ", number)
	})
	ways := e.ways()
	complaints := make(chan string, concurrency)
	var wg sync.WaitGroup
	for i := range concurrency {
		wg.Go(func() {
			mine := *e // with complaints of its own
			mine.complaints = nil
			o := mine.do(context.Background(), ways[i%len(ways)], e.generation(func(f *stages.GenerationFields) {
				if !e.Local {
					f.Messages = stages.ListOf(stages.Message{Role: stages.RoleUser, Text: fmt.Sprintf("question-%d-", i)})
				}
			}), nil)
			switch {
			case o.err != nil:
				complaints <- fmt.Sprintf("one of %d at once: %v", concurrency, o.err)
			case !e.Local && o.g.Output().Text != fmt.Sprintf("answer %d", i):
				complaints <- fmt.Sprintf("one of %d at once got %q, want answer %d", concurrency, o.g.Output().Text, i)
			}
		})
	}
	wg.Wait()
	close(complaints)
	for c := range complaints {
		e.bad("%s", c)
	}
}
