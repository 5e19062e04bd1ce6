package bound

import (
	"fmt"
	"slices"

	"github.com/maillon-go/maillon/bench/peers"
)

// All are the bounds, in the order of reports.
func All() []Bound {
	return slices.Concat(in(Price, prices), in(Peers, beside()), in(Growth, growth))
}

func in(g Group, bounds []Bound) []Bound {
	for i := range bounds {
		bounds[i].Group = g
	}
	return bounds
}

func variant(name string, links int) string { return fmt.Sprintf("variants/links=%d/%s", links, name) }

var prices = []Bound{
	{Name: "10 hooks / 10 closures", Over: variant("hooks", 10), Under: variant("closures", 10), Limit: 2.5, Aim: 2},
	{Name: "76 hooks / 76 closures", Over: variant("hooks", 76), Under: variant("closures", 76), Limit: 1.3},
	{Name: "gobreaker on 10 links / 10 hooks", Over: variant("gobreaker", 10), Under: variant("hooks", 10), AtLeast: true, Limit: 25, Aim: 40, MaxAllocs: Uncounted},
	{Name: "10 arounds / 10 closures", Over: variant("around", 10), Under: variant("closures", 10), Limit: 25, Aim: 15, MaxAllocs: 1},
	{Name: "10 by Compose / 10 closures", Over: variant("compose", 10), Under: variant("closures", 10), Limit: 1.1},
	{Name: "a chain with no links", Over: variant("hooks", 0)},
	{Name: "scaling of 10 hooks / that of 10 closures", Over: variant("hooks", 10), Under: variant("closures", 10), Scaling: true, AtLeast: true, Limit: 0.85, MaxAllocs: Uncounted},
	{Name: "10 hooks in three scopes / 10 hooks", Over: variant("scoped", 10), Under: variant("hooks", 10), Limit: 1.2},
	{Name: "an instruction beyond its model", Over: "session/links=0/instruct", Beyond: "session/links=0/direct", MaxAllocs: 30},
}

// works are the scenarios in which all peers do the same, with their numbers of links.
var works = []struct {
	name  string
	links []int
}{
	{"noop", []int{1, 10, 76, 256}},
	{"rewrite", []int{10}},
	{"block-first", []int{10}},
	{"block-last", []int{10}},
	{"backend-error", []int{10}},
	{"parallel", []int{10}},
}

// beside are the bounds beside the peers: guarded hooks are ahead of whatever has a breaker on each step, in every scenario, Compose
// keeps up with the best of those that guard nothing, and Arounds are ahead of the best that guard, too, but where the first step blocks.
func beside() []Bound {
	var all []Bound
	for _, w := range works {
		for _, n := range w.links {
			at := fmt.Sprintf("%s/links=%d/", w.name, n)
			for _, p := range peers.All {
				if p.Ours || p.Builds[peers.Guarded] == nil {
					continue
				}
				all = append(all, Bound{
					Name: fmt.Sprintf("%s / hooks: %s, %d", p.Name, w.name, n), Over: at + string(peers.Guarded) + "/" + p.Name, Under: at + string(peers.Guarded) + "/maillon hooks",
					AtLeast: true, Limit: 1, MaxAllocs: Uncounted,
				})
			}
			all = append(all, Bound{
				Name: fmt.Sprintf("Compose / the best unguarded peer: %s, %d", w.name, n), Over: at + string(peers.Plain) + "/maillon compose", Under: at + string(peers.Plain) + "/",
				Limit: 1.1, MaxAllocs: Uncounted,
			})
			if w.name == "block-first" { // the frame and the violation of a call, for nothing but its first step
				continue
			}
			all = append(all, Bound{
				Name: fmt.Sprintf("Arounds / the best guarded peer: %s, %d", w.name, n), Over: at + string(peers.Guarded) + "/maillon arounds", Under: at + string(peers.Guarded) + "/",
				Limit: 1, MaxAllocs: Uncounted,
			})
		}
	}
	for _, who := range []string{"gobreaker", "failsafe-go"} {
		const at = "timeout-idle/links=10/guarded/"
		all = append(all, Bound{
			Name: who + " / hooks: timeout-idle, 10", Over: at + who + ", cooperative", Under: at + "maillon hooks, cooperative", AtLeast: true, Limit: 1, MaxAllocs: Uncounted,
		})
	}
	return all
}

var growth = []Bound{
	{
		Name: "a hook more at 10 to 256 / a hook more at 0 to 10", Over: variant("hooks", 256), Under: variant("hooks", 10),
		Slope: &Slope{From: variant("hooks", 0), At: [3]int{0, 10, 256}}, Limit: 1.2,
	},
	{
		Name: "an Around more at 10 to 256 / an Around more at 0 to 10", Over: variant("around", 256), Under: variant("around", 10),
		Slope: &Slope{From: variant("around", 0), At: [3]int{0, 10, 256}}, Limit: 1.2, MaxAllocs: 2,
	},
	{ // what the model gets is copied, beyond the processor's caches too; a square would be 16
		Name: "a message more at 1024 to 16384 / a message more at 0 to 1024", Over: "history/links=16384/chat", Under: "history/links=1024/chat",
		Slope: &Slope{From: "history/links=0/chat", At: [3]int{0, 1024, 16384}}, Limit: 5, MaxAllocs: Uncounted,
	},
	{Name: "256 disabled links beside 10 hooks / none", Over: "disabled/links=256/hooks", Under: "disabled/links=0/hooks", Limit: 1.1},
	{Name: "an instruction after 16384 messages / after none", Over: "history/links=16384/single", Under: "history/links=0/single", Limit: 1.2, MaxAllocs: Uncounted},
	{Name: "an instruction among 2048 sessions / alone", Over: "sessions/links=2048/session", Under: "sessions/links=1/session", Limit: 1.2, MaxAllocs: Uncounted},
}
