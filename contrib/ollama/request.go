package ollama

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/session/backendhttp"
	"github.com/maillon-go/maillon/stages"
)

// modelOptions are the options that Ollama documents beside those of stages.ModelOptions: see
// https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx and its api.Options.
var modelOptions = []string{
	"frequency_penalty", "main_gpu", "min_p", "mirostat", "mirostat_eta", "mirostat_tau", "num_batch", "num_ctx", "num_gpu", "num_keep",
	"num_thread", "presence_penalty", "repeat_last_n", "repeat_penalty", "tfs_z", "top_k", "typical_p", "use_mmap",
}

// requestFields are those of the request itself that may be set.
var requestFields = []string{"keep_alive", "think"}

type object = map[string]any

// request is what g asks for, on the wire.
func (b *Backend) request(g *stages.Generation, stream bool) ([]byte, error) {
	var refused []string
	refuse := func(format string, a ...any) { refused = append(refused, fmt.Sprintf(format, a...)) }

	req := object{"model": g.Backend().Model, "stream": stream}
	if req["model"] == "" {
		req["model"] = b.model
	}
	if req["model"] == "" {
		refuse("a request without a model: see WithModel")
	}
	messages := make([]object, 0, g.Messages().Len())
	for i, m := range g.Messages().All() {
		messages = append(messages, b.message(m, func(what string) { refuse("message %d: %s", i, what) }))
	}
	req["messages"] = messages
	options := object{}
	o := g.ModelOptions()
	if v, ok := o.Temperature.Get(); ok {
		options["temperature"] = v
	}
	if v, ok := o.TopP.Get(); ok {
		options["top_p"] = v
	}
	if v, ok := o.MaxTokens.Get(); ok {
		options["num_predict"] = v
	}
	if v, ok := o.Seed.Get(); ok {
		options["seed"] = v
	}
	if o.Stop.Len() > 0 {
		options["stop"] = o.Stop
	}
	for k, v := range o.Extra.All() {
		switch {
		case slices.Contains(requestFields, k):
			req[k] = v
		case slices.Contains(modelOptions, k):
			options[k] = v
		default:
			refuse("extra option %s", k)
		}
	}
	if len(options) > 0 {
		req["options"] = options
	}
	if g.Tools().Len() > 0 {
		if !b.can.Tools {
			refuse("tools")
		}
		req["tools"] = tools(g.Tools(), refuse)
	}
	switch f := g.Format(); {
	case f == (stages.Format{}):
	case !b.can.Formats:
		refuse("format %q", f.Name)
	case !json.Valid([]byte(f.Schema)):
		refuse("format %q, whose schema is no JSON", f.Name)
	default:
		req["format"] = f.Schema
	}
	body, err := json.Marshal(req)
	if err != nil {
		refuse("extra options that have no JSON form")
	}
	if len(refused) > 0 {
		return nil, backendhttp.Refused(name, strings.Join(refused, ", "))
	}
	return body, nil
}

func (b *Backend) message(m stages.Message, refuse func(what string)) object {
	out := object{"role": m.Role, "content": m.Text}
	switch m.Role {
	case stages.RoleSystem, stages.RoleUser, stages.RoleAssistant:
	case stages.RoleTool:
		out["tool_name"] = m.Name
	default:
		refuse(fmt.Sprintf("role %q", m.Role))
	}
	var images []string
	for i, img := range m.Images.All() {
		switch {
		case !b.can.Images:
			refuse(fmt.Sprintf("image %d", i))
		case img.Base64 == "":
			refuse(fmt.Sprintf("image %d without its bytes: Ollama fetches no URL", i))
		}
		images = append(images, img.Base64)
	}
	if images != nil {
		out["images"] = images
	}
	var calls []object
	for _, c := range m.ToolCalls.All() {
		arguments := c.Arguments
		if !json.Valid([]byte(arguments)) { // as the model wrote them, and it was told so
			arguments = "{}"
		}
		calls = append(calls, object{"function": object{"name": c.Name, "arguments": arguments}})
	}
	if calls != nil {
		out["tool_calls"] = calls
	}
	return out
}

func tools(list stages.List[stages.Callable], refuse func(string, ...any)) (out []object) {
	for _, t := range list.All() {
		parameters := t.Parameters
		switch {
		case parameters == "":
			parameters = `{"type":"object","properties":{}}`
		case !json.Valid([]byte(parameters)):
			refuse("tool %q: its parameters are no JSON", t.Name)
		}
		out = append(out, object{"type": "function", "function": object{
			"name": t.Name, "description": t.Description, "parameters": parameters,
		}})
	}
	return out
}
