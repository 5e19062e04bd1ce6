package otel_test

import (
	"strings"
	"testing"
)

// noSecret says that nothing that was written has a text in it.
func noSecret(tb testing.TB, r *rig) {
	tb.Helper()
	all := r.everything(tb)
	if i := strings.Index(all, "SECRET"); i >= 0 {
		tb.Errorf("a text was written: ...%s...", all[max(0, i-200):min(len(all), i+100)])
	}
}
