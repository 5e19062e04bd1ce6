package stages

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/maillon-go/maillon/chain"
)

// Parts of the payloads in testdata/wire.
var (
	wireMessages = []Message{
		{Role: RoleSystem, Text: "Answer briefly."},
		{Role: RoleUser, Text: "What is <this>?", Name: "ada", Images: ListOf(Image{URL: "https://example.org/cat.png", MediaType: "image/png"})},
		{Role: RoleAssistant, ToolCalls: ListOf(ToolCall{ID: "call_1", Name: "look", Arguments: `{"where":"here","again":[1,2.50]}`})},
		{Role: RoleTool, Name: "look", ToolCallID: "call_1", Text: "a cat"},
	}
	wireOutput = Output{
		Text: "A cat.", ToolCalls: ListOf(ToolCall{ID: "call_2", Name: "stop"}), FinishReason: FinishStop,
		Usage: Usage{InputTokens: 21, CachedTokens: 8, OutputTokens: 3}, Model: "small-1", Raw: `{"id":"r_1"}`,
	}
	wireRequirements = ListOf(
		Requirement{Name: "short", Description: "at most ten words", Check: func(context.Context, Target) (Verdict, error) { return Verdict{Ruling: Pass}, nil }},
		Requirement{Description: "friendly", CheckOnly: true},
	)
	wireFindings = ListOf(
		Finding{Requirement: wireRequirements.At(0), Verdict: Verdict{Ruling: Pass}},
		Finding{Requirement: wireRequirements.At(1), Verdict: Verdict{Ruling: Fail, Reason: "curt"}},
	)
	wireAction  = &wireNote{"describe", wireMessages[1:2]}
	wireAttempt = Attempt{Action: wireAction, Result: wireOutput, Findings: wireFindings}
	wireHistory = NewHistory(wireMessages...)
	wireRuns    = ListOf(ToolRun{Call: wireMessages[2].ToolCalls.At(0), Output: "a cat", Success: true})
)

// wireNote is an Action that no other program has.
type wireNote struct {
	name     string
	messages []Message
}

func (n *wireNote) Kind() string                 { return KindInstruction }
func (n *wireNote) Name() string                 { return n.name }
func (n *wireNote) Messages() ([]Message, error) { return n.messages, nil }

// wireStrategy is a Strategy that no other program has.
type wireStrategy struct{}

func (wireStrategy) Name() string       { return "rejection" }
func (wireStrategy) Settings() Map[any] { return MapOf(map[string]any{"loop_budget": 3}) }

// wireParts has a value for each type of field. Texts and numbers are made of the field's name.
var wireParts = map[reflect.Type]any{
	reflect.TypeFor[Meta](): Meta{
		SessionID: "s_1", RequestID: "r_2", ParentRequestID: "r_1", CorrelationID: "c_3",
		Time:          time.Date(2026, 3, 1, 12, 30, 15, 250_000_000, time.UTC),
		ComponentKind: KindInstruction, ComponentName: "describe", Strategy: "rejection", UserID: "ada",
		Labels:   MapOf(map[string]string{"tier": "gold"}),
		Metadata: MapOf(map[string]any{"tenant": map[string]any{"id": 7}}), Version: PayloadVersion,
	},
	reflect.TypeFor[ModelOptions](): ModelOptions{
		Temperature: Some(0.7), TopP: Some(0.9), MaxTokens: Some(100), Seed: Some[int64](1 << 60), Stop: ListOf("END"),
		Extra: MapOf(map[string]any{"top_k": 40}),
	},
	reflect.TypeFor[Map[any]](): MapOf(map[string]any{
		"url": "http://localhost", "retries": 3, "ratio": 0.5, "large": int64(1<<53 + 1), "on": true,
		"hook": func() {}, "tags": []string{"a", "b"},
	}),
	reflect.TypeFor[Map[string]]():       MapOf(map[string]string{"name": "Ada"}),
	reflect.TypeFor[Action]():            wireAction,
	reflect.TypeFor[Strategy]():          wireStrategy{},
	reflect.TypeFor[error]():             errors.New("it broke"),
	reflect.TypeFor[Failure]():           Failure{Err: chain.Block("no"), Kind: FaultTool, Recoverable: true, Stack: "goroutine 1"},
	reflect.TypeFor[History]():           wireHistory,
	reflect.TypeFor[Backend]():           Backend{Name: "local", Provider: "maillon", Model: "small-1", Capabilities: Capabilities{Streaming: true, Tools: true}},
	reflect.TypeFor[Format]():            Format{Name: "animal", Schema: `{"type":"object","properties":{"species":{"type":"string"},"age":{"type":"number"}}}`},
	reflect.TypeFor[Output]():            wireOutput,
	reflect.TypeFor[Usage]():             wireOutput.Usage,
	reflect.TypeFor[Target]():            Target{Output: wireOutput, Action: wireAction, History: wireHistory, Tools: wireRuns},
	reflect.TypeFor[Attempt]():           wireAttempt,
	reflect.TypeFor[Optional[int]]():     Some(4),
	reflect.TypeFor[JSON]():              JSON(`{"where":"here"}`),
	reflect.TypeFor[time.Duration]():     1500 * time.Millisecond,
	reflect.TypeFor[List[string]]():      ListOf("a dog", "a bird"),
	reflect.TypeFor[List[Image]]():       wireMessages[1].Images,
	reflect.TypeFor[List[Message]]():     ListOf(wireMessages[2:]...),
	reflect.TypeFor[List[Requirement]](): wireRequirements,
	reflect.TypeFor[List[Finding]]():     wireFindings,
	reflect.TypeFor[List[Attempt]]():     ListOf(wireAttempt),
	reflect.TypeFor[List[ToolCall]]():    ListOf(ToolCall{ID: "call_2", Name: "stop", Arguments: "{not JSON"}),
	reflect.TypeFor[List[ContextItem]](): ListOf(ContextItem{Name: "atlas", Text: "Cats live everywhere."}),
	reflect.TypeFor[List[Exchange]]():    ListOf(Exchange{RequestID: "r_2", Messages: ListOf(wireMessages[0]), Output: wireOutput, Error: "late", Latency: time.Second}),
	reflect.TypeFor[List[Callable]]():    ListOf(wireTool("look"), wireTool("name")),
	reflect.TypeFor[StreamPhase]():       nil, // by the hook point
	reflect.TypeFor[ChangeKind]():        nil,
}

func wireTool(name string) Callable {
	return Callable{
		Name: name, Description: "Does " + name + ".", Parameters: `{"type":"object","properties":{"where":{"type":"string"}}}`,
		ControlFlow: true,
		Call:        func(context.Context, json.RawMessage) (any, error) { return name, nil },
	}
}

// wireExample is a payload as it may be at a hook point, with every field filled.
func wireExample(h HookPoint) any {
	f, _ := wireForms()[h.Chain].(interface{ example(HookPoint) any })
	return f.example(h)
}

func (w wireOf[S]) example(h HookPoint) any {
	p := new(S)
	fill := func(f wireField[S]) {
		if f.derived || f.name == "failure" && (h.Position == chain.KindAfter || h.Position == chain.KindBefore) {
			return
		}
		v := f.place(p)
		switch part := wireParts[v.Type()]; {
		case v.Type() == reflect.TypeFor[StreamPhase]():
			v.SetString(strings.TrimPrefix(h.Name, "streaming_"))
		case v.Type() == reflect.TypeFor[ChangeKind]() && h.Name == "context_prune":
			v.SetString(string(ChangePrune))
		case v.Type() == reflect.TypeFor[ChangeKind]():
			v.SetString(string(ChangeAppend))
		case part != nil:
			v.Set(reflect.ValueOf(part))
		case v.Kind() == reflect.String:
			v.SetString("the " + f.name)
		case v.Kind() == reflect.Bool:
			v.SetBool(true)
		case v.CanInt():
			v.SetInt(int64(len(f.name)))
		default:
			panic("no example of a " + v.Type().String())
		}
	}
	fill(w.meta())
	for _, f := range w.in {
		fill(f)
	}
	if h.Position == chain.KindAfter || h.Name == "generation_error" {
		for _, f := range w.out {
			fill(f)
		}
	}
	if w.spec.done != nil {
		*w.spec.done(p) = h.Position == chain.KindAfter
	}
	if w.spec.rebuild != nil {
		w.spec.rebuild(p)
	}
	return p
}
