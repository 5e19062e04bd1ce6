// Package plugintest is what the tests of stage plugins have in common: a Model that answers by a script, sessions and
// questions, verdicts, and plugin files that open or do not.
//
// It knows no plugin. A test binds it to the one that it is about, with a line or two in a file of helpers:
//
//	func newLimit(tb testing.TB, s ratelimit.Settings) *ratelimit.Plugin {
//		tb.Helper()
//		return plugintest.Make(tb, ratelimit.New, s)
//	}
package plugintest
