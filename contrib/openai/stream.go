package openai

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"

	"github.com/maillon-go/maillon/stages"
)

// GenerateStream asks for an answer chunk by chunk, and for its usage at the end of it. What there was of an answer that
// broke off is in the payload beside the error.
func (b *Backend) GenerateStream(ctx context.Context, g *stages.Generation, emit func(text string) error) (*stages.Generation, error) {
	params, err := b.params(g)
	if err != nil {
		return nil, err
	}
	if _, ok := g.ModelOptions().Extra.Get("stream_options"); !ok {
		params.StreamOptions.IncludeUsage = sdk.Bool(true)
	}
	request, cancel := context.WithCancel(ctx)
	defer cancel()
	var res *http.Response
	a := assembly{begun: time.Now()}
	stream := b.completions.NewStreaming(request, params, option.WithResponseInto(&res))
	defer func() { _ = stream.Close() }()
	for stream.Next() {
		text := a.add(stream.Current())
		if text == "" {
			continue
		}
		if err := emit(text); err != nil {
			return g.Partial(a.result(res)), err
		}
	}
	err = stream.Err()
	var told *ssestream.StreamError
	switch {
	case errors.As(err, &told):
		p := problemIn(string(told.Event.Data))
		if p == nil {
			p = &problem{}
		}
		err = b.refused(g, res, p)
	case err != nil:
		err = b.failed(ctx, g, res, err)
	case ctx.Err() != nil:
		err = b.failed(ctx, g, res, ctx.Err())
	case a.finish == "": // it ended early, or it was no stream of chunks
		err = b.noAnswer(res, errCutOff)
	default:
		return b.done(g, a.result(res), a.refusal.String())
	}
	if a.text.Len() == 0 && len(a.calls) == 0 {
		return nil, err
	}
	return g.Partial(a.result(res)), err
}

// assembly puts an answer together from its chunks.
type assembly struct {
	begun         time.Time
	first         time.Duration
	chunks        int
	text, refusal strings.Builder
	calls         []stages.ToolCall
	arguments     []*strings.Builder
	places        map[int64]int // of calls, by their index in the chunks
	finish        string
	id, model     string
	usage         stages.Usage
	rawUsage      string
	logprobs      []json.RawMessage
}

// add takes a chunk and gives its text.
func (a *assembly) add(c sdk.ChatCompletionChunk) (text string) {
	if c.ID != "" {
		a.id = c.ID
	}
	if c.Model != "" {
		a.model = c.Model
	}
	if c.JSON.Usage.Valid() {
		a.usage, a.rawUsage = usageOf(c.Usage), c.Usage.RawJSON()
	}
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue
		}
		text += choice.Delta.Content
		a.refusal.WriteString(choice.Delta.Refusal)
		for _, call := range choice.Delta.ToolCalls {
			a.call(call)
		}
		for _, p := range choice.Logprobs.Content {
			a.logprobs = append(a.logprobs, json.RawMessage(p.RawJSON()))
		}
		if choice.FinishReason != "" {
			a.finish = choice.FinishReason
		}
	}
	if text != "" {
		a.text.WriteString(text)
		if a.chunks++; a.chunks == 1 {
			a.first = time.Since(a.begun)
		}
	}
	return text
}

// call takes a piece of a tool call. A new id begins a new call, for servers that give them all the index 0.
func (a *assembly) call(d sdk.ChatCompletionChunkChoiceDeltaToolCall) {
	i, ok := a.places[d.Index]
	if !ok || d.ID != "" && a.calls[i].ID != "" && d.ID != a.calls[i].ID {
		i = len(a.calls)
		a.calls, a.arguments = append(a.calls, stages.ToolCall{}), append(a.arguments, &strings.Builder{})
		if a.places == nil {
			a.places = map[int64]int{}
		}
		a.places[d.Index] = i
	}
	if d.ID != "" {
		a.calls[i].ID = d.ID
	}
	if d.Function.Name != "" {
		a.calls[i].Name = d.Function.Name
	}
	a.arguments[i].WriteString(d.Function.Arguments)
}

func (a *assembly) result(res *http.Response) stages.GenerationResult {
	for i := range a.calls {
		a.calls[i].Arguments = stages.JSON(a.arguments[i].String())
	}
	out := stages.Output{
		Text: a.text.String(), ToolCalls: stages.ListOf(a.calls...), FinishReason: finishReason(a.finish), Usage: a.usage, Model: a.model,
	}
	out.Raw = a.raw(out)
	r := stages.GenerationResult{
		Output: out, Chunks: a.chunks, Latency: time.Since(a.begun), FirstChunk: a.first, Source: stages.SourceBackend,
	}
	if res != nil {
		r.HTTPStatus = res.StatusCode
	}
	return r
}

// raw is the answer as the same server would have given it in one piece, as far as it is known.
func (a *assembly) raw(out stages.Output) stages.JSON {
	type function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	type call struct {
		ID       string   `json:"id"`
		Type     string   `json:"type"`
		Function function `json:"function"`
	}
	type message struct {
		Role      string `json:"role"`
		Content   string `json:"content"`
		Refusal   string `json:"refusal,omitempty"`
		ToolCalls []call `json:"tool_calls,omitempty"`
	}
	type content struct {
		Content []json.RawMessage `json:"content"`
	}
	type choice struct {
		Index        int      `json:"index"`
		Message      message  `json:"message"`
		Logprobs     *content `json:"logprobs"`
		FinishReason string   `json:"finish_reason"`
	}
	one := choice{Message: message{Role: "assistant", Content: out.Text, Refusal: a.refusal.String()}, FinishReason: a.finish}
	for _, c := range out.ToolCalls.All() {
		one.Message.ToolCalls = append(one.Message.ToolCalls, call{c.ID, "function", function{c.Name, string(c.Arguments)}})
	}
	if len(a.logprobs) > 0 {
		one.Logprobs = &content{a.logprobs}
	}
	raw, err := json.Marshal(struct {
		ID      string          `json:"id"`
		Object  string          `json:"object"`
		Model   string          `json:"model"`
		Choices []choice        `json:"choices"`
		Usage   json.RawMessage `json:"usage,omitempty"`
	}{a.id, "chat.completion", a.model, []choice{one}, json.RawMessage(a.rawUsage)})
	if err != nil { // a chunk that passed as JSON once passes again
		return ""
	}
	return stages.JSON(raw)
}
