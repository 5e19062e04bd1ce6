package chaintest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
)

func TestPrice(t *testing.T) {
	busy := chain.Before("busy", func(_ context.Context, p *load) (*load, error) {
		for began := time.Now(); time.Since(began) < 20*time.Microsecond; {
			continue
		}
		return p, nil
	})
	var kept []*load
	copies := chain.After("copies", func(_ context.Context, p *load) (*load, error) {
		q := *p
		kept = append(kept[:0], &q)
		return &q, nil
	})
	began := time.Now()
	bill, err := Price(time.Millisecond, echo[*load], newLoad(), busy, copies)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if n := bill.Links[0].Nanos; n < 15_000 {
		t.Errorf("20 µs of work cost %v ns", n)
	}
	if share := bill.Links[0].Share(bill.Latency); share < 1.5 {
		t.Errorf("20 µs of 1 ms are %v %%", share)
	}
	if !raceEnabled {
		if a, b := bill.Links[0].Allocs, bill.Links[1].Allocs; a > 0.5 || b < 0.9 || b > 1.5 {
			t.Errorf("no allocation measured as %v, one as %v", a, b)
		}
	}
	if n := bill.Total.Nanos; n < 15_000 {
		t.Errorf("20 µs of work are %v ns in total", n)
	}
}

func TestPriceErrors(t *testing.T) {
	for _, tc := range []struct {
		name    string
		handler handler
		links   []link
		want    error
	}{
		{"nil handler", nil, nil, chain.ErrNilHandler},
		{"a handler that fails", Hook[*load](Error(errFault)), nil, errFault},
		{"a link that fails", echo[*load], []link{chain.Before("bad", Hook[*load](Error(errFault)))}, errFault},
		{"a link that fails later", echo[*load], []link{chain.Intercept[*load]("bad", Flaky(1, 0.1, errFault).Early)}, errFault},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Price(0, tc.handler, newLoad(), tc.links...); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	if _, err := Price(0, echo[*load], newLoad(), chain.Before("", echo[*load])); err == nil || !strings.Contains(err.Error(), "chaintest: Price: ") {
		t.Errorf("a link without name: %v", err)
	}
}

func TestBillWithoutLatency(t *testing.T) {
	b := Bill{Handler: Cost{"handler", 1, 0}, Links: []Cost{{"a", 2.25, 1}}, Total: Cost{"total", 3.25, 1}}
	if got := b.String(); strings.Contains(got, "%") || !strings.Contains(got, "a               2.2          1.0\n") {
		t.Errorf("got:\n%s", got)
	}
	if s := b.Total.Share(0); s != 0 {
		t.Errorf("share %v of nothing", s)
	}
}
