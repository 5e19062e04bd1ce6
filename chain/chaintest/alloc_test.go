//go:build !race

package chaintest

import (
	"context"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

var sink *load

// The race detector allocates itself, and so leaves this check out.
func TestAllocsOfBadLinkFail(t *testing.T) {
	copying := chain.Before("bad", func(_ context.Context, p *load) (*load, error) {
		q := *p
		sink = &q
		return &q, nil
	})
	got := failed(t, copying, MaxAllocs(0), Without(CheckHammer, "the sink is a race"))
	if len(got) != 1 || len(got[CheckAllocs]) != 1 || got[CheckAllocs][0] != "1 allocations per call, 0 allowed (MaxAllocs)" {
		t.Errorf("got %q", got)
	}
	if got := failed(t, copying, MaxAllocs(1), Without(CheckHammer, "the sink is a race")); len(got) != 0 {
		t.Errorf("with one allocation allowed: %q", got)
	}
}

func TestAllocsOfGoodLinkPass(t *testing.T) {
	Run(t, chain.Before("good", echo[*load]), MaxAllocs(0))
}
