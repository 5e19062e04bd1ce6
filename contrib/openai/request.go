package openai

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	"github.com/maillon-go/maillon/session/backendhttp"
	"github.com/maillon-go/maillon/stages"
)

// reserved are the keys that the backend sets itself, or that it could not read the answer to.
var reserved = []string{
	"model", "messages", "stream", "n", "tools", "response_format", "temperature", "top_p", "seed", "stop", "max_tokens", "functions",
	"function_call", "audio", "modalities",
}

// params is what g asks for, on the wire.
func (b *Backend) params(g *stages.Generation) (p sdk.ChatCompletionNewParams, err error) {
	var refused []string
	refuse := func(format string, a ...any) { refused = append(refused, fmt.Sprintf(format, a...)) }

	if p.Model = g.Backend().Model; p.Model == "" {
		p.Model = b.cfg.model
	}
	if p.Model == "" {
		refuse("a request without a model: see WithModel")
	}
	for i, m := range g.Messages().All() {
		wire, err := b.message(m)
		if err != nil {
			refuse("message %d: %v", i, err)
		}
		p.Messages = append(p.Messages, wire)
	}
	b.modelOptions(&p, g.ModelOptions(), refuse)
	if g.Tools().Len() > 0 && !b.cfg.can.Tools {
		refuse("tools")
	}
	for _, t := range g.Tools().All() {
		wire, err := tool(t)
		if err != nil {
			refuse("tool %q: %v", t.Name, err)
		}
		p.Tools = append(p.Tools, wire)
	}
	switch f := g.Format(); {
	case f == (stages.Format{}):
	case !b.cfg.can.Formats:
		refuse("format %q", f.Name)
	case !json.Valid([]byte(f.Schema)):
		refuse("format %q, whose schema is no JSON", f.Name)
	default:
		p.ResponseFormat.OfJSONSchema = responseFormat(f)
	}
	if len(refused) > 0 {
		return p, backendhttp.Refused(b.cfg.name, strings.Join(refused, ", "))
	}
	return p, nil
}

func (b *Backend) modelOptions(p *sdk.ChatCompletionNewParams, o stages.ModelOptions, refuse func(string, ...any)) {
	if v, ok := o.Temperature.Get(); ok {
		p.Temperature = sdk.Float(v)
	}
	if v, ok := o.TopP.Get(); ok {
		p.TopP = sdk.Float(v)
	}
	if v, ok := o.Seed.Get(); ok {
		p.Seed = sdk.Int(v)
	}
	if n, ok := o.MaxTokens.Get(); ok && b.isOpenAI() {
		p.MaxCompletionTokens = sdk.Int(int64(n))
	} else if ok {
		p.MaxTokens = sdk.Int(int64(n))
	}
	p.Stop.OfStringArray = o.Stop.Slice()
	extra := o.Extra.Clone()
	for _, k := range slices.Sorted(maps.Keys(extra)) {
		if slices.Contains(reserved, k) {
			refuse("extra option %s", k)
		} else if _, err := json.Marshal(extra[k]); err != nil {
			refuse("extra option %s, which has no JSON form", k)
		}
	}
	if len(extra) > 0 {
		p.SetExtraFields(extra)
	}
}

func (b *Backend) message(m stages.Message) (out sdk.ChatCompletionMessageParamUnion, err error) {
	if m.Images.Len() > 0 && (!b.cfg.can.Images || m.Role != stages.RoleUser) {
		return out, fmt.Errorf("images in a message of role %s", m.Role)
	}
	name := param.Opt[string]{}
	if m.Name != "" {
		name = sdk.String(m.Name)
	}
	switch m.Role {
	case stages.RoleSystem:
		out = sdk.SystemMessage(m.Text)
		out.OfSystem.Name = name
	case stages.RoleUser:
		out, err = user(m)
		if err != nil {
			return out, err
		}
		out.OfUser.Name = name
	case stages.RoleTool:
		out = sdk.ToolMessage(m.Text, m.ToolCallID)
	case stages.RoleAssistant:
		a := &sdk.ChatCompletionAssistantMessageParam{Name: name}
		if m.Text != "" || m.ToolCalls.Len() == 0 {
			a.Content.OfString = sdk.String(m.Text)
		}
		for _, c := range m.ToolCalls.All() {
			a.ToolCalls = append(a.ToolCalls, sdk.ChatCompletionMessageToolCallUnionParam{
				OfFunction: &sdk.ChatCompletionMessageFunctionToolCallParam{ID: c.ID, Function: sdk.ChatCompletionMessageFunctionToolCallFunctionParam{
					Name: c.Name, Arguments: string(c.Arguments),
				}},
			})
		}
		out.OfAssistant = a
	default:
		return out, fmt.Errorf("role %q", m.Role)
	}
	return out, nil
}

func user(m stages.Message) (out sdk.ChatCompletionMessageParamUnion, err error) {
	if m.Images.Len() == 0 {
		return sdk.UserMessage(m.Text), nil
	}
	var parts []sdk.ChatCompletionContentPartUnionParam
	if m.Text != "" {
		parts = append(parts, sdk.TextContentPart(m.Text))
	}
	for i, img := range m.Images.All() {
		at, err := imageURL(img)
		if err != nil {
			return out, fmt.Errorf("image %d: %w", i, err)
		}
		parts = append(parts, sdk.ImageContentPart(sdk.ChatCompletionContentPartImageImageURLParam{URL: at}))
	}
	return sdk.UserMessage(parts), nil
}

func imageURL(img stages.Image) (string, error) {
	if img.Base64 == "" {
		if img.URL == "" {
			return "", errors.New("neither a URL nor bytes")
		}
		return img.URL, nil
	}
	kind := img.MediaType
	if kind == "" {
		raw, err := base64.StdEncoding.DecodeString(img.Base64)
		if err != nil {
			return "", errors.New("its bytes are not in base64")
		}
		kind = http.DetectContentType(raw)
	}
	return "data:" + kind + ";base64," + img.Base64, nil
}

// tool keeps the schema as it was written, down to the order of its keys.
func tool(t stages.Callable) (out sdk.ChatCompletionToolUnionParam, err error) {
	if t.Parameters != "" && !json.Valid([]byte(t.Parameters)) {
		return out, errors.New("its parameters are no JSON")
	}
	raw, err := json.Marshal(struct {
		Name        string      `json:"name"`
		Description string      `json:"description,omitempty"`
		Parameters  stages.JSON `json:"parameters,omitempty"`
	}{t.Name, t.Description, t.Parameters})
	if err != nil {
		return out, err
	}
	return sdk.ChatCompletionFunctionTool(param.Override[shared.FunctionDefinitionParam](json.RawMessage(raw))), nil
}

func responseFormat(f stages.Format) *shared.ResponseFormatJSONSchemaParam {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, f.Name)
	if name == "" {
		name = "answer"
	}
	s := shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: name[:min(len(name), 64)], Schema: json.RawMessage(f.Schema)}
	var schema any
	if json.Unmarshal([]byte(f.Schema), &schema) == nil && strict(schema) {
		s.Strict = sdk.Bool(true)
	}
	return &shared.ResponseFormatJSONSchemaParam{JSONSchema: s}
}

// strict says whether each object in a schema requires all its properties and allows no others, as OpenAI asks of a strict
// one. See https://platform.openai.com/docs/guides/structured-outputs.
func strict(schema any) bool {
	switch s := schema.(type) {
	case []any:
		return !slices.ContainsFunc(s, func(v any) bool { return !strict(v) })
	case map[string]any:
		if properties, ok := s["properties"].(map[string]any); ok || s["type"] == "object" {
			required, _ := s["required"].([]any)
			for name := range properties {
				if !slices.Contains(required, any(name)) {
					return false
				}
			}
			if s["additionalProperties"] != false {
				return false
			}
		}
		for _, v := range s {
			if !strict(v) {
				return false
			}
		}
	}
	return true
}
