// Package policy blocks calls by their contents: terms, patterns and attempts to talk a model out of its instructions.
//
//	plugin, err := policy.New(policy.Settings{Rules: []policy.Rule{
//		{Name: "codenames", Terms: []string{"project osprey"}},
//		{Name: "tickets", Patterns: []string{`\bSEC-\d{4,}\b`}, At: []policy.Place{policy.Output}},
//	}})
//	_, err = pipeline.Register(ctx, plugin)
//
// It looks at what the model gets (all messages but the system's), at what it answers, streamed or not, and at the arguments and
// results of tools. What it finds stops the call with a *chain.Violation, whose code and details say which rule it was and where, not
// what was written, unless Settings.Echo asks for that.
//
// Texts are compared as people read them: Unicode forms (NFKC), case, runs of white space and invisible characters make no
// difference, and a term is found as a whole word only. Scripts that are written without spaces, and Korean, have no such borders.
//
// To try a policy out, register it with chain.InMode(chain.Audit): it counts what it would have blocked.
package policy
