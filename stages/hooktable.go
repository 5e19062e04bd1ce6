package stages

import (
	"slices"

	"github.com/maillon-go/maillon/chain"
)

// hookPoints is hookTable with what the payloads say about their fields.
var hookPoints = describe(hookTable)

func describe(table []HookPoint) []HookPoint {
	out := make([]HookPoint, len(table))
	for i, h := range table {
		s := layouts[h.Chain]
		h.Payload, h.Carries, h.Derived = s.payload, s.in, s.inDerived
		if h.Position == chain.KindAfter {
			h.Carries, h.Derived = slices.Concat(s.in, s.out), slices.Concat(s.inDerived, s.outDerived)
		}
		out[i] = h
	}
	return out
}

const (
	callFails    = "the call fails"
	loopEnds     = "the loop ends early, unsuccessful"
	onlyRecorded = "never blocks: recorded only"
	tooLate      = "none: the error stands"
)

// hookTable is all that is said about hook points by hand.
var hookTable = []HookPoint{
	{
		Name: "session_pre_init", Chain: "session", Position: chain.KindBefore,
		When:     "before a session opens its backend",
		Writable: []string{"backend_name", "model_id", "model_options", "backend_settings"},
		Block:    "the session does not start",
	},
	{
		Name: "session_post_init", Chain: "session", Position: chain.KindAfter,
		When:  "when the backend is open and the history is there",
		Block: "the session does not start; what was opened is closed",
	},
	{
		Name: "session_reset", Chain: "reset", Position: chain.KindBefore,
		When:  "before a session forgets its history",
		Block: "the reset does not happen",
	},
	{
		Name: "session_cleanup", Chain: "cleanup", Position: chain.KindBefore,
		When:        "when a session closes, before its backend does",
		NeverBlocks: true, Block: onlyRecorded,
	},
	{
		Name: "component_pre_create", Chain: "create", Position: chain.KindBefore,
		When: "before a component is made of what the user gave",
		Writable: []string{
			"description", "images", "requirements", "examples", "grounding", "variables", "prefix", "template_id",
		},
		Block: callFails,
	},
	{
		Name: "component_post_create", Chain: "create", Position: chain.KindAfter,
		When:     "when the component is made",
		Writable: []string{"component"},
		Block:    callFails,
	},
	{
		Name: "component_pre_execute", Chain: "component", Position: chain.KindBefore,
		When: "before a component is executed; the last point where the history can still change what the model sees",
		Writable: []string{
			"action", "history", "requirements", "model_options", "format", "strategy", "tools_enabled",
		},
		Block: callFails,
	},
	{
		Name: "component_post_success", Chain: "component", Position: chain.KindAfter,
		When:     "when a component has its result, before the history takes it in",
		Writable: []string{"result"},
		Block:    callFails,
	},
	{
		Name: "component_post_error", Chain: "component", Position: chain.KindOnError,
		When:  "when an execution ended in an error that is no block",
		Block: tooLate,
	},
	{
		Name: "generation_pre_call", Chain: "generation", Position: chain.KindBefore,
		When:     "before a request goes to the backend",
		Writable: []string{"messages", "model_options", "tools", "format"},
		Block:    "the call fails and nothing is sent",
	},
	{
		Name: "generation_post_call", Chain: "generation", Position: chain.KindAfter,
		When:     "when there is an answer: from the backend, from a cache or from a link that answered instead",
		Writable: []string{"text", "tool_calls", "raw"},
		Block:    "the output is discarded and the call fails",
	},
	{
		Name: "generation_error", Chain: "generation", Position: chain.KindOnError,
		When:  "when a request failed; the payload has what there was of an answer",
		Block: tooLate,
	},
	{
		Name: "generation_stream_chunk", Chain: "chunk", Position: chain.KindBefore,
		When:     "for each chunk of a streamed answer, before the reader gets it, and for any other answer as one chunk",
		Writable: []string{"text"},
		Block:    "the stream is cancelled; what was held back is never released",
	},
	{
		Name: "streaming_start", Chain: "stream", Position: chain.KindObserve,
		When:        "when a stream begins",
		NeverBlocks: true, Block: onlyRecorded,
	},
	{
		Name: "streaming_event", Chain: "stream", Position: chain.KindObserve,
		When:        "when something happens in a stream",
		NeverBlocks: true, Block: onlyRecorded,
	},
	{
		Name: "streaming_end", Chain: "stream", Position: chain.KindObserve,
		When:        "when a stream ends, however it does; exactly once",
		NeverBlocks: true, Block: onlyRecorded,
	},
	{
		Name: "validation_pre_check", Chain: "validation", Position: chain.KindBefore,
		When:     "before an answer is checked",
		Writable: []string{"requirements", "model_options"},
		Block:    "the validation fails with the violation",
	},
	{
		Name: "validation_post_check", Chain: "validation", Position: chain.KindAfter,
		When:     "when an answer was checked, also when the check ended in an error",
		Writable: []string{"results"},
		Block:    callFails,
	},
	{
		Name: "sampling_loop_start", Chain: "sampling", Position: chain.KindBefore,
		When:     "before a strategy's first try",
		Writable: []string{"loop_budget"},
		Block:    callFails,
	},
	{
		Name: "sampling_loop_end", Chain: "sampling", Position: chain.KindAfter,
		When:     "when the loop is over: by success, by exhaustion or in an error",
		Writable: []string{"final_result"},
		Block:    callFails,
	},
	{
		Name: "sampling_iteration", Chain: "iteration", Position: chain.KindAfter,
		When:  "after each try, when it was checked",
		Block: loopEnds,
	},
	{
		Name: "sampling_repair", Chain: "repair", Position: chain.KindAfter,
		When:     "between two tries",
		Writable: []string{"repair_action", "repair_history"},
		Block:    loopEnds,
	},
	{
		Name: "tool_pre_invoke", Chain: "tool", Position: chain.KindBefore,
		When:     "before a tool runs",
		Writable: []string{"name", "arguments"},
		Block:    "the tool does not run; the model is told that it failed",
	},
	{
		Name: "tool_post_invoke", Chain: "tool", Position: chain.KindAfter,
		When:     "when a tool has run, successfully or not",
		Writable: []string{"output"},
		Block:    "the output is replaced by a failure",
	},
	{
		Name: "adapter_pre_load", Chain: "adapter_load", Position: chain.KindBefore,
		When:  "before a backend loads an adapter",
		Block: "the adapter is not loaded",
	},
	{
		Name: "adapter_post_load", Chain: "adapter_load", Position: chain.KindAfter,
		When:  "when an adapter is loaded",
		Block: callFails,
	},
	{
		Name: "adapter_pre_unload", Chain: "adapter_unload", Position: chain.KindBefore,
		When:  "before a backend unloads an adapter",
		Block: "the adapter stays loaded",
	},
	{
		Name: "adapter_post_unload", Chain: "adapter_unload", Position: chain.KindAfter,
		When:  "when an adapter is unloaded",
		Block: callFails,
	},
	{
		Name: "context_update", Chain: "history_change", Position: chain.KindObserve,
		When:        "when a session's history has grown or was reset",
		NeverBlocks: true, Block: onlyRecorded,
	},
	{
		Name: "context_prune", Chain: "history_change", Position: chain.KindObserve,
		When:        "when messages were dropped from a session's history",
		NeverBlocks: true, Block: onlyRecorded,
	},
	{
		Name: "error_occurred", Chain: "fault", Position: chain.KindObserve,
		When: "for output that cannot be decoded, a backend that does not answer, a broken invariant, and any error or" +
			" panic in a component, a check or a tool that nothing handles; not for blocks or failed requirements",
		NeverBlocks: true, Block: onlyRecorded + "; a failure inside it goes nowhere",
	},
}
