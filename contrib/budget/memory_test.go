package budget

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func charge(key string, limit, amount int64, window time.Duration) Charge {
	return Charge{Key: key, Limit: limit, Amount: amount, Window: window}
}

func reserve(t *testing.T, m *Memory, id string, want bool, charges ...Charge) []Balance {
	t.Helper()
	b, ok, err := m.Reserve(t.Context(), id, charges)
	if err != nil || ok != want {
		t.Fatalf("Reserve(%s) = %+v, %v, %v, want %v", id, b, ok, err, want)
	}
	return b
}

func settle(t *testing.T, m *Memory, id string, want bool, used ...int64) {
	t.Helper()
	if ok, err := m.Settle(t.Context(), id, used); err != nil || ok != want {
		t.Fatalf("Settle(%s) = %v, %v, want %v", id, ok, err, want)
	}
}

func balance(t *testing.T, m *Memory, key string, settled, reserved int64) Balance {
	t.Helper()
	b, err := m.Balance(t.Context(), key)
	if err != nil || b.Settled != settled || b.Reserved != reserved {
		t.Errorf("%s has %+v, %v, want %d settled, %d reserved", key, b, err, settled, reserved)
	}
	return b
}

// The fake clock starts at midnight UTC, 2000-01-01.

func TestMemoryWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryConfig{ReservationTTL: 10 * time.Hour})
		time.Sleep(20 * time.Minute)
		reserve(t, m, "1", true, charge("a", 10, 10, time.Hour))
		if b := balance(t, m, "a", 0, 10); time.Until(b.Resets) != 40*time.Minute {
			t.Errorf("resets at %v, it is %v", b.Resets, time.Now())
		}
		time.Sleep(40*time.Minute - 1)
		reserve(t, m, "2", false, charge("a", 10, 1, time.Hour))
		time.Sleep(time.Nanosecond)
		balance(t, m, "a", 0, 0)
		reserve(t, m, "2", true, charge("a", 10, 10, time.Hour))
		settle(t, m, "1", true, 9) // it counts for the window that it was reserved in
		balance(t, m, "a", 0, 10)
		settle(t, m, "2", true, 3)
		balance(t, m, "a", 3, 0)
	})
}

func TestMemoryWindowsBeginAtWholeMultiples(t *testing.T) {
	for _, tc := range []struct {
		window time.Duration
		want   string
	}{
		{time.Minute, "2026-11-26T13:38:00Z"},
		{24 * time.Hour, "2026-11-27T00:00:00Z"},
		{7 * 24 * time.Hour, "2026-11-30T00:00:00Z"}, // a Monday
	} {
		now := time.Date(2026, 11, 26, 15, 37, 12, 5, time.FixedZone("", 7200))
		if got := windowEnd(now, tc.window).Format(time.RFC3339); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.window, got, tc.want)
		}
	}
	if !windowEnd(time.Now(), 0).IsZero() {
		t.Error("no window has an end")
	}
}

func TestMemoryReservationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryConfig{ReservationTTL: time.Minute})
		reserve(t, m, "1", true, charge("a", 10, 6, 0), charge("b", 10, 2, 0))
		time.Sleep(time.Minute - 1)
		balance(t, m, "a", 0, 6)
		time.Sleep(time.Nanosecond)
		balance(t, m, "a", 6, 0) // in full
		settle(t, m, "1", false, 1)
		balance(t, m, "a", 6, 0)
		balance(t, m, "b", 2, 0)
		if len(m.held) != 0 || m.queue.Len() != 0 {
			t.Error("it is still there")
		}
	})
}

func TestMemoryIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryConfig{ReservationTTL: 10 * time.Hour})
		c := Charge{Key: "a", Limit: 10, Amount: 5, Idle: time.Minute, Group: "g"}
		reserve(t, m, "1", true, c)
		time.Sleep(2 * time.Minute)
		balance(t, m, "a", 0, 5) // a call in flight keeps it
		settle(t, m, "1", true, 5)
		time.Sleep(time.Minute - 1)
		balance(t, m, "a", 5, 0)
		time.Sleep(time.Nanosecond)
		balance(t, m, "a", 0, 0)
	})
}

// TestMemoryIsBounded: what is over goes although nobody asks for it again.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryConfig{})
		for i := range 20_000 {
			c := charge(fmt.Sprint("user", i), 10, 1, time.Minute)
			if i%2 == 0 {
				c = Charge{Key: fmt.Sprint("request", i), Limit: 10, Amount: 1, Idle: time.Minute, Group: fmt.Sprint("g", i)}
			}
			id := fmt.Sprint(i)
			reserve(t, m, id, true, c)
			settle(t, m, id, true, 1)
			time.Sleep(time.Second)
		}
		if n := len(m.accounts); n > 300 { // 60 to 120 of them count
			t.Errorf("%d accounts", n)
		}
		if n := len(m.groups); n > 300 {
			t.Errorf("%d groups", n)
		}
	})
}

func TestMemoryFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryConfig{MaxKeys: 3})
		reserve(t, m, "1", true, charge("a", 10, 1, 0), charge("b", 10, 1, time.Hour))
		if _, ok, err := m.Reserve(t.Context(), "2", []Charge{charge("c", 10, 1, 0), charge("d", 10, 1, 0)}); ok || !errors.Is(err, ErrFull) {
			t.Errorf("got %v, %v, want ErrFull", ok, err)
		}
		balance(t, m, "c", 0, 0)
		reserve(t, m, "3", true, charge("a", 10, 1, 0)) // what is there goes on
		time.Sleep(time.Hour)
		reserve(t, m, "4", true, charge("c", 10, 1, 0), charge("d", 10, 1, 0)) // b is over
		if len(m.accounts) != 3 {
			t.Errorf("%d accounts", len(m.accounts))
		}
	})
}

// TestMemoryAgainstModel runs random operations on a Memory and on a model that is too simple to be wrong.
func TestMemoryAgainstModel(t *testing.T) {
	const ttl, window, limit = time.Minute, 100 * time.Second, 100
	type entry struct {
		amounts map[string]int64
		end     map[string]time.Time // of the window
		until   time.Time
	}
	type sums struct{ settled, reserved, overdraft int64 }
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			m := NewMemory(MemoryConfig{ReservationTTL: ttl})
			keys := []string{"forever", "window"}
			windows := map[string]time.Duration{"window": window}
			model, open, ends := map[string]*sums{"forever": {}, "window": {}}, map[string]*entry{}, map[string]time.Time{}
			catchUp := func() {
				now := time.Now()
				for id, e := range open {
					if now.Before(e.until) {
						continue
					}
					for k, a := range e.amounts {
						if e.end[k].Equal(ends[k]) {
							model[k].reserved -= a
							model[k].settled += a
						}
					}
					delete(open, id)
				}
				if end := windowEnd(now, window); !end.Equal(ends["window"]) {
					ends["window"], *model["window"] = end, sums{}
				}
			}
			for step := range 400 {
				time.Sleep(time.Duration(r.IntN(8)) * time.Second)
				catchUp()
				id := fmt.Sprint(r.IntN(40))
				if r.IntN(2) == 0 {
					e := &entry{map[string]int64{}, map[string]time.Time{}, time.Now().Add(ttl)}
					var charges []Charge
					fits := true
					for _, k := range keys[r.IntN(2):] {
						a := r.Int64N(30)
						e.amounts[k], e.end[k] = a, ends[k]
						fits = fits && a <= limit-model[k].settled-model[k].reserved
						charges = append(charges, charge(k, limit, a, windows[k]))
					}
					_, ok, err := m.Reserve(t.Context(), id, charges)
					switch known := open[id] != nil; {
					case known != errors.Is(err, ErrReserved):
						t.Fatalf("seed %d step %d: %v, known %v", seed, step, err, known)
					case known:
					case ok != fits:
						t.Fatalf("seed %d step %d: reserved %v, want %v", seed, step, ok, fits)
					case ok:
						open[id] = e
						for k, a := range e.amounts {
							model[k].reserved += a
						}
					}
				} else {
					e := open[id]
					var used []int64
					if e != nil && r.IntN(3) > 0 {
						for _, k := range keys {
							if a, has := e.amounts[k]; has {
								u := r.Int64N(a + 2) // now and then one more than reserved
								used = append(used, u)
								if e.end[k].Equal(ends[k]) {
									model[k].settled += u
									model[k].overdraft += max(u-a, 0)
								}
							}
						}
					}
					if ok, err := m.Settle(t.Context(), id, used); err != nil || ok != (e != nil) {
						t.Fatalf("seed %d step %d: settled %v, %v, want %v", seed, step, ok, err, e != nil)
					}
					if e != nil {
						for k, a := range e.amounts {
							if e.end[k].Equal(ends[k]) {
								model[k].reserved -= a
							}
						}
						delete(open, id)
					}
				}
				for _, k := range keys {
					b, _ := m.Balance(t.Context(), k)
					if got := (sums{b.Settled, b.Reserved, b.Overdraft}); got != *model[k] {
						t.Fatalf("seed %d step %d: %s has %+v, want %+v", seed, step, k, got, *model[k])
					}
					if b.Settled+b.Reserved > limit+b.Overdraft {
						t.Fatalf("seed %d step %d: %s is beyond its limit: %+v", seed, step, k, b)
					}
				}
			}
			time.Sleep(ttl)
			for _, k := range keys {
				if b, _ := m.Balance(t.Context(), k); b.Reserved != 0 {
					t.Errorf("seed %d: %s has %+v in the end", seed, k, b)
				}
			}
		})
	}
}

// A plugin that replaces another one has its books, but a time and a size of its own.
func TestMemoriesWithTheSameBooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := []Limit{{Name: "a", Tokens: 100}}
		plugin := func(ttl time.Duration, keys int) *Plugin {
			p, err := New(Settings{Limits: limits, ReservationTTL: ttl, MaxKeys: keys})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		old, now, given := plugin(3*time.Hour, 3), plugin(time.Hour, 2), plugin(0, 0)
		now.Succeed(old)
		reserve(t, old.own, "1", true, charge("a", 100, 10, 0))
		reserve(t, now.own, "2", true, charge("a", 100, 20, 0))
		reserve(t, old.own, "3", true, charge("a", 100, 30, 0))
		balance(t, old.own, "a", 0, 60)
		time.Sleep(time.Hour)
		balance(t, old.own, "a", 20, 40)
		time.Sleep(2 * time.Hour)
		balance(t, now.own, "a", 60, 0)
		reserve(t, now.own, "4", true, charge("b", 100, 1, 0))
		if _, _, err := now.own.Reserve(t.Context(), "5", []Charge{charge("c", 100, 1, 0)}); !errors.Is(err, ErrFull) {
			t.Errorf("a third account: %v", err)
		}
		reserve(t, old.own, "5", true, charge("c", 100, 1, 0))
		given.own, given.store = nil, NewMemory(MemoryConfig{})
		given.Succeed(old)
		if u, err := given.Usage(t.Context(), Key{Limit: "a"}); err != nil || u.Settled != 0 {
			t.Errorf("a store of the program's: %v, %v", u, err)
		}
	})
}
