package profiler_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/internal/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newProfiler(tb testing.TB, s profiler.Settings) *profiler.Plugin {
	tb.Helper()
	return plugintest.Make(tb, profiler.New, s)
}
