package profiler_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/profiler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newProfiler(tb testing.TB, s profiler.Settings) *profiler.Plugin {
	tb.Helper()
	p, err := profiler.New(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
