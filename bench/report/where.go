package report

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/maillon-go/maillon/bench/peers"
)

// Here describes this machine and this commit.
func Here(ctx context.Context) Where {
	return Where{
		CPU: cpu(), CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		Commit: commit(ctx), Date: time.Now().UTC().Format(time.DateOnly),
	}
}

var modelName = regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`)

// cpu is the processor's name where the system tells it.
func cpu() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	if m := modelName.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return "unknown CPU"
}

// Clean says that there is a commit that has everything that was measured.
func (w Where) Clean() bool { return w.Commit != unknown && !strings.HasSuffix(w.Commit, "+") }

// unknown is the commit outside of a checkout.
const unknown = "unknown"

// commit is that of the checkout, with a plus where files differ from it or are in no commit, other than those that reports write, or unknown outside of one.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return unknown
	}
	id := strings.TrimSpace(string(head))
	if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--",
		":(top)", ":(top,exclude)"+Folder, ":(top,exclude)"+Pages[0], ":(top,exclude)"+Pages[1]).Output(); err != nil || len(changed) > 0 {
		id += "+"
	}
	return id
}

// versions are those of the peers' modules that this program was built with.
func versions() map[string]string {
	built := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			built[d.Path] = d.Version
		}
	}
	out := map[string]string{}
	for _, p := range peers.All {
		for _, m := range []string{p.Module, p.With} {
			if v := built[m]; v != "" && !p.Ours {
				out[m] = v
			}
		}
	}
	return out
}
