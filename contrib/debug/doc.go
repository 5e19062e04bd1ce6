// Package debug writes what sessions do, as it happens, for a person at a terminal: generations, checks, repairs, tools and
// streams as an indented tree, each line with the session and the number of the request that it belongs to.
//
//	p, err := debug.New(debug.Settings{Redact: redact})
//	if err != nil {
//		return err
//	}
//	_, err = stages.Default.Register(ctx, p)
//
// Without a Redact function nothing of what people, models or tools said is shown, only how long it was. The plugin looks and
// changes nothing: it makes no stream buffered, and a writer that is slow, stuck or broken costs lines, not calls.
package debug
