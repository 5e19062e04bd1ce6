package peers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/peers"
	"github.com/maillon-go/maillon/chain"
)

var (
	errStep    = errors.New("step")
	errBackend = errors.New("backend")
)

// The versions that the files state are those that are measured.
func TestVersions(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers.All {
		if p.Module != "" && !p.Ours && !strings.Contains(string(mod), "\t"+p.Module+" "+p.Version+"\n") {
			t.Errorf("%s: go.mod has another version of %s than %q", p.Name, p.Module, p.Version)
		}
	}
}

// Every peer does the work that it is measured for: the steps run in order, once each, a rewrite arrives, an error of a step
// ends the call there, and the backend's error comes back.
func TestPeersDoTheWork(t *testing.T) {
	for _, peer := range peers.All {
		for grade, build := range peer.Builds {
			for _, n := range []int{0, 1, 10, 76} {
				t.Run(fmt.Sprintf("%s/%s/%d", peer.Name, grade, n), func(t *testing.T) {
					var ran []int
					failAt := -1
					steps := make([]peers.Step, n)
					for i := range steps {
						steps[i] = func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
							ran = append(ran, i)
							if i == failAt {
								return nil, errStep
							}
							return p.WithText(p.Text() + "."), nil
						}
					}
					var fails error
					backend := func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
						ran = append(ran, n)
						if fails != nil {
							return nil, fails
						}
						return p, nil
					}
					h := build(steps, backend)
					want := make([]int, n+1)
					text := ""
					for i := range want {
						want[i] = i
						if i > 0 && !peer.Observes {
							text += "."
						}
					}
					out, err := h(t.Context(), new(bench.Payload))
					if err != nil || out.Text() != text {
						t.Fatalf("got %q, %v", out.Text(), err)
					}
					if !peer.Observes && !slices.Equal(ran, want) || len(ran) != n+1 {
						t.Errorf("ran %v", ran)
					}
					fails = errBackend
					if _, err := h(t.Context(), new(bench.Payload)); !errors.Is(err, errBackend) {
						t.Errorf("the backend's error became %v", err)
					}
					if fails = nil; n < 2 || peer.Observes {
						return
					}
					failAt, ran, h = n/2, nil, build(steps, backend) // its breakers have seen no error
					if _, err := h(t.Context(), new(bench.Payload)); !errors.Is(err, errStep) || len(ran) != n/2+1 {
						t.Errorf("a failing step: %v, ran %v", err, ran)
					}
				})
			}
		}
	}
}

// The recovering form contains a panic, and the guarded one has a breaker that opens.
func TestGradesAreWhatTheySay(t *testing.T) {
	for _, peer := range peers.All {
		if build := peer.Builds[peers.Recovering]; build != nil && !peer.Observes {
			h := build([]peers.Step{func(context.Context, *bench.Payload) (*bench.Payload, error) { panic("oh") }}, pass)
			if _, err := h(t.Context(), new(bench.Payload)); err == nil {
				t.Errorf("%s, recovering: no error", peer.Name)
			}
		}
		build := peer.Builds[peers.Guarded]
		if build == nil {
			continue
		}
		calls := 0
		h := build([]peers.Step{func(context.Context, *bench.Payload) (*bench.Payload, error) {
			calls++
			return nil, errStep
		}}, pass)
		for range 100 {
			if _, err := h(t.Context(), new(bench.Payload)); err == nil {
				t.Errorf("%s, guarded: no error", peer.Name)
			}
		}
		if calls >= 100 {
			t.Errorf("%s, guarded: the breaker stayed closed", peer.Name)
		}
	}
}

func pass(_ context.Context, p *bench.Payload) (*bench.Payload, error) { return p, nil }

var _ chain.Handler[*bench.Payload] = pass

func TestByName(t *testing.T) {
	for _, p := range peers.All {
		if got, ok := peers.ByName(p.Name); !ok || got.Does != p.Does || p.Does == "" {
			t.Errorf("%s: %v, %v", p.Name, got.Name, ok)
		}
	}
	if _, ok := peers.ByName("nobody"); ok {
		t.Error("found a peer that is not there")
	}
}

func BenchmarkPeers(b *testing.B) {
	step := func(_ context.Context, p *bench.Payload) (*bench.Payload, error) { return p, nil }
	for _, peer := range peers.All {
		for _, grade := range peers.Grades {
			build := peer.Builds[grade]
			if build == nil {
				continue
			}
			for _, n := range []int{1, 10, 76} {
				b.Run(fmt.Sprintf("%s/%s/links=%d", peer.Name, grade, n), func(b *testing.B) {
					b.ReportAllocs()
					h, ctx, p := build(slices.Repeat([]peers.Step{step}, n), pass), context.Background(), new(bench.Payload)
					for b.Loop() {
						if _, err := h(ctx, p); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
