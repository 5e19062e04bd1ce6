package testneed

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// NPM installs a package of npm at exactly this version, unless an earlier run has, and returns the folder that holds its
// node_modules. It is kept below [os.UserCacheDir], from one run to the next. Where node or npm is missing, or the package
// cannot be had, the test is skipped, or fails if [EnvAll] is 1.
//
//	dir := testneed.NPM(t, "@dwmkerr/mock-llm", "0.1.29")
func NPM(tb testing.TB, name, version string) string {
	tb.Helper()
	Program(tb, "node", "nodejs")
	npm := Program(tb, "npm", "npm")
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	cache = filepath.Join(cache, "maillon-test")
	dir := filepath.Join(cache, strings.NewReplacer("@", "", "/", "-").Replace(name)+"-"+version)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		tb.Fatal(err)
	}
	fresh, err := os.MkdirTemp(cache, "install-") //nolint:usetesting // it is renamed into the cache, so it has to be on its file system
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	out, err := exec.CommandContext(context.Background(), npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", fresh, name+"@"+version).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv(EnvAll) == "1":
		tb.Fatalf("needs the npm package %s@%s, and %s=1 does not allow a skip: npm: %v\n%s", name, version, EnvAll, err, out)
	default:
		tb.Skipf("needs the npm package %s@%s, which npm cannot install: %v", name, version, err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // no other test was faster
			tb.Fatal(err)
		}
	}
	return dir
}
