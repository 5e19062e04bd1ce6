package config

import (
	"slices"

	"github.com/samber/lo"
)

// form is what a value of the file may be.
type form uint8

const (
	text form = iota
	number
	boolean
	duration
	choice
	list
	mapping // of any names
	object  // of the fields
	free    // a plugin's own settings
)

// shape describes a value. The reference and the JSON Schema are made from it, so that they say what the reader does.
type shape struct {
	form    form
	choices []choiceOf
	item    *shape // of a list or a mapping
	fields  []field
	name    string // of an object in the reference
	ref     func() *shape
}

type choiceOf struct{ name, doc string }

// field is one key of an object.
type field struct {
	name     string
	doc      string
	required bool
	shape    shape
}

func (s *shape) names() []string {
	return lo.Map(s.fields, func(f field, _ int) string { return f.name })
}

func (s *shape) choiceNames() []string {
	return lo.Map(s.choices, func(c choiceOf, _ int) string { return c.name })
}

func (s *shape) resolved() *shape {
	if s.ref != nil {
		return s.ref()
	}
	return s
}

var modeShape = shape{form: choice, choices: []choiceOf{
	{"sequential", "inline; may rewrite and block"},
	{"transform", "inline; may rewrite, a block is recorded only"},
	{"audit", "inline; rewrites are discarded, a block is recorded only; for a wrap hook: shadow"},
	{"concurrent", "in parallel; rewrites are discarded, the first block wins"},
	{"fire_and_forget", "in the background; can neither rewrite nor block"},
	{"disabled", "not at all"},
	{"enforce", "older name of `sequential`"},
	{"permissive", "older name of `transform`"},
	{"enforce_ignore_error", "older name of `sequential` with `on_error: ignore`"},
}}

var failureShape = shape{form: choice, choices: []choiceOf{
	{"fail", "the call fails"},
	{"ignore", "the call goes on with the last good payload"},
	{"disable", "the call goes on and the link is off until it is enabled again"},
}}

var breakerShape = shape{form: object, name: "breaker", fields: []field{
	{name: "trip_after", doc: "opens after so many failures in a row, default 6", shape: shape{form: number}},
	{name: "timeout", doc: "how long it stays open, default 1m", shape: shape{form: duration}},
	{name: "max_requests", doc: "how many calls it lets through when half-open, default 1", shape: shape{form: number}},
	{name: "interval", doc: "after which the counts are forgotten while it is closed, default never; with one, every call asks the breaker", shape: shape{form: duration}},
}}

// optionFields are those of a plugin, of one of its hooks, and of the defaults.
var optionFields = []field{
	{name: "mode", doc: "how it runs", shape: modeShape},
	{name: "priority", doc: "lower runs first, default 50", shape: shape{form: number}},
	{name: "on_error", doc: "what its failure does to a call; without it the mode decides", shape: failureShape},
	{name: "timeout", doc: "hard bound on a hook; a wrap hook takes none", shape: shape{form: duration}},
	{name: "breaker", doc: "its circuit breaker", shape: breakerShape},
}

var linkFields = append(slices.Clone(optionFields),
	field{name: "runs_before", doc: "links of the same priority that it comes before", shape: shape{form: list, item: &shape{form: text}}},
	field{name: "runs_after", doc: "links of the same priority that it comes after", shape: shape{form: list, item: &shape{form: text}}},
	field{name: "candidate_for", doc: "the link whose place a hook in mode audit is meant to take: both are asked and their disagreements counted", shape: shape{form: text}},
	field{name: "keep_cases", doc: "how many of the latest calls on which a link in mode audit differed are kept, default 16", shape: shape{form: number}},
	field{name: "case_payloads", doc: "true keeps the payloads of those calls too", shape: shape{form: boolean}},
	field{name: "outer", doc: "true puts a wrap hook outside of all hooks, which it can then skip", shape: shape{form: boolean}},
	field{name: "counted", doc: "true counts its calls exactly", shape: shape{form: boolean}},
	field{name: "timed", doc: "true lets an observe hook see how long calls take", shape: shape{form: boolean}},
)

var hookShape = shape{form: object, name: "hook", fields: append(slices.Clone(linkFields),
	field{name: "writable", doc: "the only fields that it may change there, at most those of the hook point; `[]` for none", shape: shape{form: list, item: &shape{form: text}}},
)}

var conditionShape = shape{form: object, name: "condition", fields: []field{
	{name: "model", doc: "glob for the backend's model", shape: shape{form: text}},
	{name: "provider", doc: "glob for the backend's provider", shape: shape{form: text}},
	{name: "component_kind", doc: "glob for the component's kind, `Instruction`, say", shape: shape{form: text}},
	{name: "component_name", doc: "glob for the component's name", shape: shape{form: text}},
	{name: "tool", doc: "glob for the tool's name; true in the tool stage only", shape: shape{form: text}},
	{name: "user", doc: "glob for the user's id", shape: shape{form: text}},
	{name: "labels", doc: "globs for labels of the session, by key", shape: shape{form: mapping, item: &shape{form: text}}},
	{name: "metadata", doc: "globs for the user's metadata, by key", shape: shape{form: mapping, item: &shape{form: text}}},
}}

var pluginShape = shape{form: object, name: "plugin", fields: slices.Concat([]field{
	{name: "name", doc: "unique in the file; links are called after it", required: true, shape: shape{form: text}},
	{name: "kind", doc: "one of those that the program registered", required: true, shape: shape{form: text}},
	{name: "config", doc: "the kind's own settings; a secret is given as `{env: NAME}` or `{file: path}`", shape: shape{form: free}},
}, linkFields, []field{
	{name: "hooks", doc: "options of single hooks, by hook point or `wrap_<chain>`, `observe_<chain>`; they beat those of the plugin", shape: shape{form: mapping, item: &hookShape}},
	{name: "conditions", doc: "the calls for which it runs: one of the conditions must hold, and of that all that it says; without any, all calls", shape: shape{form: list, item: &conditionShape}},
	{name: "isolation", doc: "reserved for plugins that run out of process", shape: shape{form: free}},
})}

var groupShape = shape{form: object, name: "group", fields: slices.Concat([]field{
	{name: "name", doc: "unique in the file", required: true, shape: shape{form: text}},
}, optionFields, []field{
	{name: "plugins", doc: "its members; the group's options beat theirs", shape: shape{form: list, item: &pluginShape}},
	{name: "groups", doc: "groups in it", shape: shape{form: list, item: &shape{form: object, name: "group"}}},
})}

var overrideShape = shape{form: object, name: "override", fields: []field{
	{name: "link", doc: "the name of a link, `budget.generation_pre_call`, for all chains, or `chain/name`; one that is not there is inert and shown by Explain", required: true, shape: shape{form: text}},
	{name: "mode", doc: "how it runs", shape: modeShape},
	{name: "priority", doc: "lower runs first", shape: shape{form: number}},
	{name: "on_error", doc: "what its failure does to a call", shape: failureShape},
	{name: "timeout", doc: "hard bound on a hook", shape: shape{form: duration}},
	{name: "off", doc: "true switches it off, as `mode: disabled` does", shape: shape{form: boolean}},
}}

var settingsShape = shape{form: object, name: "settings", fields: []field{
	{name: "defaults", doc: "of all plugins of the file that do not say otherwise themselves; they beat what a plugin's code says", shape: shape{form: object, name: "defaults", fields: lo.Reject(optionFields, func(f field, _ int) bool { return f.name == "timeout" })}},
	{name: "timeout", doc: "hard bound on every hook of the file that has none; there is none by default", shape: shape{form: duration}},
	{name: "tracer", doc: "the name of a plugin of the file that is told when links begin and end, of the kinds `slot_profiler` and `otel`, say; it takes the place of a tracer that the program set, and there is none after a file that no longer names one", shape: shape{form: text}},
	{name: "dispatcher", doc: "of background work, for the whole pipeline", shape: shape{form: object, name: "dispatcher", fields: []field{
		{name: "workers", doc: "goroutines at most, default 4", shape: shape{form: number}},
		{name: "queue", doc: "jobs waiting at most, default 1024", shape: shape{form: number}},
		{name: "overflow", doc: "what happens to a job when the queue is full", shape: shape{form: choice, choices: []choiceOf{
			{"block", "wait for room"}, {"drop_newest", "drop it and count it"}, {"run_inline", "run it at once"},
		}}},
	}}},
}}

var fileShape = shape{form: object, name: "file", fields: []field{
	{name: "settings", doc: "of all", shape: settingsShape},
	{name: "plugins", doc: "plugins in no group", shape: shape{form: list, item: &pluginShape}},
	{name: "groups", doc: "plugins that belong together", shape: shape{form: list, item: &groupShape}},
	{name: "overrides", doc: "changes to links of the program, here or in sessions below; the last one has the last word", shape: shape{form: list, item: &overrideShape}},
}}

func init() { // the one shape that contains itself
	groupShape.fields[len(groupShape.fields)-1].shape.item = &shape{ref: func() *shape { return &groupShape }}
}
