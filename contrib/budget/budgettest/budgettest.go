// Package budgettest is a conformance suite for stores of package budget:
//
//	func TestStore(t *testing.T) {
//		budgettest.Run(t, func(t *testing.T) budget.Store { return newStore(t) })
//	}
//
// It needs no clock. What a store does when a window ends or a reservation is never settled it has to test itself, in the time
// that it has.
package budgettest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/contrib/budget"
)

// Run checks a store, each check a subtest with a store of its own, which open makes empty.
func Run(t *testing.T, open func(t *testing.T) budget.Store) {
	for _, c := range []struct {
		name  string
		check func(k *kit)
	}{
		{"reserve and settle", (*kit).settles},
		{"all or nothing", (*kit).allOrNothing},
		{"a forced charge goes beyond the limit", (*kit).forced},
		{"settled once", (*kit).once},
		{"an id is used once", (*kit).ids},
		{"overdraft", (*kit).overdraft},
		{"drop", (*kit).drop},
		{"malformed", (*kit).malformed},
		{"accounts do not mix", (*kit).names},
		{"concurrent", (*kit).concurrent},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(&kit{t, open(t)}) })
	}
}

type kit struct {
	*testing.T
	s budget.Store
}

func one(key string, limit, amount int64) []budget.Charge {
	return []budget.Charge{{Key: key, Limit: limit, Amount: amount}}
}

func (k *kit) reserve(id string, want bool, charges ...budget.Charge) []budget.Balance {
	k.Helper()
	b, ok, err := k.s.Reserve(k.Context(), id, charges)
	if err != nil || ok != want || len(b) != len(charges) {
		k.Fatalf("Reserve(%s) = %v, %v, %v, want %v", id, b, ok, err, want)
	}
	return b
}

func (k *kit) settle(id string, want bool, used ...int64) {
	k.Helper()
	if ok, err := k.s.Settle(k.Context(), id, used); err != nil || ok != want {
		k.Fatalf("Settle(%s) = %v, %v, want %v", id, ok, err, want)
	}
}

func (k *kit) balance(key string, settled, reserved, overdraft int64) {
	k.Helper()
	b, err := k.s.Balance(k.Context(), key)
	if err != nil || b.Settled != settled || b.Reserved != reserved || b.Overdraft != overdraft {
		k.Errorf("%s has %+v, %v, want %d settled, %d reserved, %d overdraft", key, b, err, settled, reserved, overdraft)
	}
}

func (k *kit) settles() {
	k.balance("a", 0, 0, 0)
	if b := k.reserve("1", true, one("a", 100, 60)...); b[0].Settled != 0 || b[0].Reserved != 0 {
		k.Errorf("the balance before is %+v", b[0])
	}
	k.balance("a", 0, 60, 0)
	if b := k.reserve("2", false, one("a", 100, 41)...); b[0].Reserved != 60 || b[0].Left(100) != 40 {
		k.Errorf("the balance of a refusal is %+v", b[0])
	}
	k.reserve("2", true, one("a", 100, 40)...) // a refused id may come again
	k.settle("1", true, 10)
	k.balance("a", 10, 40, 0)
	k.settle("2", true)
	k.balance("a", 10, 0, 0)
	k.reserve("3", true, one("a", 10, 0)...) // nothing fits into a full one
	k.reserve("4", false, one("a", 5, 0)...) // but not into one that is exceeded
}

func (k *kit) allOrNothing() {
	a, b := budget.Charge{Key: "a", Limit: 10, Amount: 5}, budget.Charge{Key: "b", Limit: 10, Amount: 11}
	k.reserve("1", false, a, b)
	k.balance("a", 0, 0, 0)
	k.balance("b", 0, 0, 0)
	b.Amount = 7
	k.reserve("1", true, a, b)
	k.settle("1", true, 1, 2)
	k.balance("a", 1, 0, 0)
	k.balance("b", 2, 0, 0)
}

func (k *kit) forced() {
	over := budget.Charge{Key: "a", Limit: 10, Amount: 25, Force: true}
	k.reserve("1", true, over)
	k.balance("a", 0, 25, 0)
	k.reserve("2", false, one("a", 10, 1)...)
	k.settle("1", true, 20)
	k.balance("a", 20, 0, 0)
}

func (k *kit) once() {
	k.settle("unknown", false, 5)
	k.reserve("1", true, one("a", 10, 5)...)
	k.settle("1", true, 3)
	k.settle("1", false, 3)
	k.settle("1", false)
	k.balance("a", 3, 0, 0)
}

func (k *kit) ids() {
	k.reserve("1", true, one("a", 10, 5)...)
	if _, ok, err := k.s.Reserve(k.Context(), "1", one("a", 10, 1)); ok || !errors.Is(err, budget.ErrReserved) {
		k.Errorf("the same id again: %v, %v, want ErrReserved", ok, err)
	}
	k.balance("a", 0, 5, 0)
}

func (k *kit) overdraft() {
	k.reserve("1", true, one("a", 10, 5)...)
	k.settle("1", true, 12)
	k.balance("a", 12, 0, 7)
	k.reserve("2", false, one("a", 10, 1)...)
}

func (k *kit) drop() {
	in := func(key, group string) budget.Charge {
		return budget.Charge{Key: key, Limit: 10, Amount: 4, Group: group}
	}
	k.reserve("1", true, in("a", "g"), in("b", "h"))
	k.reserve("2", true, in("a", "g"))
	for _, group := range []string{"g", "g", "unknown"} {
		if err := k.s.Drop(k.Context(), group); err != nil {
			k.Error(err)
		}
	}
	k.balance("a", 0, 0, 0)
	k.balance("b", 0, 4, 0)
	k.reserve("3", true, in("a", "g"))
	k.settle("1", true, 3, 3) // what is gone stays as it is
	k.balance("a", 0, 4, 0)
	k.balance("b", 3, 0, 0)
}

func (k *kit) malformed() {
	for _, c := range []budget.Charge{{Key: "a", Limit: 10, Amount: -1}, {Limit: 10, Amount: 1}} {
		if _, ok, err := k.s.Reserve(k.Context(), "1", []budget.Charge{c}); ok || !errors.Is(err, budget.ErrCharge) {
			k.Errorf("%+v: %v, %v, want ErrCharge", c, ok, err)
		}
	}
	k.reserve("1", true, one("a", 10, 5)...)
	if ok, err := k.s.Settle(k.Context(), "1", []int64{1, 2}); ok || !errors.Is(err, budget.ErrCharge) {
		k.Errorf("two amounts for one charge: %v, %v, want ErrCharge", ok, err)
	}
	k.balance("a", 0, 5, 0)
	k.settle("1", true, -3) // less than nothing is nothing
	k.balance("a", 0, 0, 0)
}

func (k *kit) names() {
	keys := []string{"a", "A", "a ", "a\x00", "a:b", "a*", "ä", `a"b`, "{a}"}
	for i, key := range keys {
		k.reserve(fmt.Sprint(i), true, one(key, 100, int64(i))...)
	}
	for i, key := range keys {
		k.balance(key, 0, int64(i), 0)
	}
}

// concurrent lets 64 goroutines spend from three accounts at random while another one looks on.
func (k *kit) concurrent() {
	const limit = 500
	keys := []string{"a", "b", "c"}
	var over atomic.Bool
	var watcher, wg sync.WaitGroup
	watcher.Go(func() {
		for !over.Load() {
			for _, key := range keys {
				b, err := k.s.Balance(k.Context(), key)
				if err != nil || b.Settled+b.Reserved > limit || b.Settled < 0 || b.Reserved < 0 {
					k.Errorf("%s has %+v, %v", key, b, err)
				}
			}
		}
	})
	var mu sync.Mutex
	spent := map[string]int64{}
	for n := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for i := range 20 {
				id := fmt.Sprintf("%d-%d", n, i)
				var charges []budget.Charge
				var used []int64
				for _, key := range keys {
					if r.IntN(2) == 0 {
						amount := r.Int64N(40)
						charges = append(charges, budget.Charge{Key: key, Limit: limit, Amount: amount})
						used = append(used, r.Int64N(amount+1)/4)
					}
				}
				_, ok, err := k.s.Reserve(k.Context(), id, charges)
				if err != nil {
					k.Error(err)
				}
				if !ok {
					continue
				}
				var times sync.Map // two settle it, one of them may
				var both sync.WaitGroup
				for j := range 2 {
					both.Go(func() {
						if ok, err := k.s.Settle(k.Context(), id, used); err != nil {
							k.Error(err)
						} else if ok {
							times.Store(j, true)
						}
					})
				}
				both.Wait()
				won := 0
				times.Range(func(any, any) bool { won++; return true })
				if won != 1 {
					k.Errorf("%s was settled %d times", id, won)
				}
				mu.Lock()
				for i, c := range charges {
					spent[c.Key] += used[i]
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	over.Store(true)
	watcher.Wait()
	for _, key := range keys {
		k.balance(key, spent[key], 0, 0)
	}
}
