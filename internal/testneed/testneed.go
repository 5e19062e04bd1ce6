// Package testneed is the one way by which a test may be skipped.
//
// On a contributor's machine a test that needs a foreign program is skipped, with a printed reason, where the program is
// missing. In CI, which sets MAILLON_TEST_ALL=1, the same test fails instead, so that no check is lost unnoticed.
//
//	path := testneed.Program(t, "redis-server", "redis-server")
//
// A program named here is installed by .ci/run. The test starts it itself, on a free loopback port.
package testneed

import (
	"os"
	"os/exec"
	"testing"
)

// EnvAll is the environment variable that, set to 1, turns every skip into a failure.
const EnvAll = "MAILLON_TEST_ALL"

// Program returns the path of the program name. Where it is not in PATH the test is skipped, or fails if [EnvAll] is 1;
// either way the reason names the Debian package to install. Like [testing.TB.Skip] it must be called from the
// goroutine that runs the test.
func Program(tb testing.TB, name, debianPackage string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv(EnvAll) == "1" {
		tb.Fatalf("needs %s (Debian package %s), and %s=1 does not allow a skip: add the package to .ci/run", name, debianPackage, EnvAll)
	}
	tb.Skipf("needs %s (Debian package %s)", name, debianPackage)
	return ""
}
