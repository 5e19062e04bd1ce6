package report

import (
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
func Here() Where {
	return Where{
		CPU: cpu(), CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		Commit: commit(), Date: time.Now().UTC().Format(time.DateOnly),
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

// commit is that of the checkout, with a plus where files differ from it, or unknown outside of one.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	id := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changed) > 0 {
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
		if v := built[p.Module]; v != "" && !p.Ours {
			out[p.Module] = v
		}
	}
	return out
}
