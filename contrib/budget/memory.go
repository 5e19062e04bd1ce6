package budget

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// Defaults of a Memory.
const (
	DefaultReservationTTL = time.Hour
	DefaultMaxKeys        = 100_000
)

// MemoryConfig bounds a Memory. Zero values are the defaults.
type MemoryConfig struct {
	ReservationTTL time.Duration // after which a reservation is settled in full, default DefaultReservationTTL
	MaxKeys        int           // accounts at most, default DefaultMaxKeys
}

// Memory is the Store of one process. Accounts whose window has ended, or that were idle for their time, go when new ones come;
// where none can go and MaxKeys is reached, a call that needs a new account fails with ErrFull. Safe for concurrent use.
type Memory struct {
	cfg MemoryConfig
	*books
}

// books may be those of several Memories, each with a config of its own.
type books struct {
	mu       sync.Mutex
	accounts map[string]*account
	groups   map[string]map[string]bool // the keys of accounts
	held     map[string]*list.Element   // reservations by id
	queue    list.List                  // of *reserved, the one whose time is over first in front
	swept    time.Time                  // when all accounts were looked at last
}

type account struct {
	Balance
	group string
	idle  time.Duration
	last  time.Time // use
	live  int       // reservations
}

type reserved struct {
	id    string
	until time.Time
	parts []part
}

type part struct {
	in     *account // of the window in which it was reserved
	amount int64
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty one.
func NewMemory(cfg MemoryConfig) *Memory {
	return (&books{accounts: map[string]*account{}, groups: map[string]map[string]bool{}, held: map[string]*list.Element{}}).with(cfg)
}

func (b *books) with(cfg MemoryConfig) *Memory {
	cfg.ReservationTTL = cmp.Or(max(cfg.ReservationTTL, 0), DefaultReservationTTL)
	cfg.MaxKeys = cmp.Or(max(cfg.MaxKeys, 0), DefaultMaxKeys)
	return &Memory{cfg, b}
}

// Reserve implements Store.
func (m *Memory) Reserve(_ context.Context, id string, charges []Charge) ([]Balance, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.expire(now)
	if m.held[id] != nil {
		return nil, false, ErrReserved
	}
	balances, fits, fresh := make([]Balance, len(charges)), true, 0
	for i, c := range charges {
		if c.Amount < 0 || c.Key == "" {
			return nil, false, fmt.Errorf("%w: %d for %q", ErrCharge, c.Amount, c.Key)
		}
		a := m.current(c.Key, now)
		if a == nil {
			fresh++
			a = &account{Balance: Balance{Resets: windowEnd(now, c.Window)}}
		}
		balances[i] = a.Balance
		fits = fits && (c.Force || c.Amount <= a.Left(c.Limit))
	}
	if !fits {
		return balances, false, nil
	}
	if fresh > 0 && !m.room(now, fresh) {
		return balances, false, fmt.Errorf("%w: there are %d", ErrFull, len(m.accounts))
	}
	r := &reserved{id: id, until: now.Add(m.cfg.ReservationTTL), parts: make([]part, len(charges))}
	for i, c := range charges {
		a := m.open(c, now)
		a.Reserved += c.Amount
		a.live++
		a.last = now
		r.parts[i] = part{a, c.Amount}
	}
	m.hold(r)
	return balances, true, nil
}

// hold puts a reservation in its place in the queue. m.mu is held.
func (m *Memory) hold(r *reserved) {
	e := m.queue.Back()
	for e != nil && e.Value.(*reserved).until.After(r.until) { // of a Memory with a longer ReservationTTL
		e = e.Prev()
	}
	if e == nil {
		m.held[r.id] = m.queue.PushFront(r)
		return
	}
	m.held[r.id] = m.queue.InsertAfter(r, e)
}

// Settle implements Store.
func (m *Memory) Settle(_ context.Context, id string, used []int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.expire(now)
	e := m.held[id]
	if e == nil {
		return false, nil
	}
	r := e.Value.(*reserved)
	if used != nil && len(used) != len(r.parts) {
		return false, fmt.Errorf("%w: %d amounts for %d charges", ErrCharge, len(used), len(r.parts))
	}
	m.settle(e, now, func(i int) int64 {
		if used == nil {
			return 0
		}
		return max(used[i], 0)
	})
	return true, nil
}

// settle takes a reservation off the books. m.mu is held.
func (m *Memory) settle(e *list.Element, now time.Time, used func(i int) int64) {
	r := e.Value.(*reserved)
	m.queue.Remove(e)
	delete(m.held, r.id)
	for i, p := range r.parts {
		a := p.in
		a.live--
		a.last = now
		a.Reserved -= p.amount
		a.Settled += used(i)
		a.Overdraft += max(used(i)-p.amount, 0)
	}
}

// expire settles the reservations whose time is over. m.mu is held.
func (m *Memory) expire(now time.Time) {
	for e := m.queue.Front(); e != nil && !now.Before(e.Value.(*reserved).until); e = m.queue.Front() {
		parts := e.Value.(*reserved).parts
		m.settle(e, now, func(i int) int64 { return parts[i].amount })
	}
}

// current is an account that counts now, or nil. One whose window has ended begins anew. m.mu is held.
func (m *Memory) current(key string, now time.Time) *account {
	a := m.accounts[key]
	if a == nil || a.stale(now) {
		return nil
	}
	return a
}

// stale says that nothing of an account counts any more.
func (a *account) stale(now time.Time) bool {
	return !a.Resets.IsZero() && !now.Before(a.Resets) || a.idle > 0 && a.live == 0 && now.Sub(a.last) >= a.idle
}

// open is the account of a charge, made or begun anew where that is necessary. m.mu is held.
func (m *Memory) open(c Charge, now time.Time) *account {
	if a := m.current(c.Key, now); a != nil {
		return a
	}
	if old := m.accounts[c.Key]; old != nil { // calls in flight keep it
		m.remove(c.Key, old)
	}
	a := &account{Balance: Balance{Resets: windowEnd(now, c.Window)}, group: c.Group, idle: c.Idle}
	m.accounts[c.Key] = a
	if c.Group != "" {
		if m.groups[c.Group] == nil {
			m.groups[c.Group] = map[string]bool{}
		}
		m.groups[c.Group][c.Key] = true
	}
	return a
}

// room sees to it that there is room for n more accounts. m.mu is held.
func (m *Memory) room(now time.Time, n int) bool {
	look := 4 * n // more than come, so that what is stale cannot pile up
	if len(m.accounts)+n > m.cfg.MaxKeys {
		if now.Sub(m.swept) < time.Second {
			return false
		}
		look, m.swept = len(m.accounts), now
	}
	for key, a := range m.accounts { // in random order
		if look--; look < 0 {
			break
		}
		if a.stale(now) {
			m.remove(key, a)
		}
	}
	return len(m.accounts)+n <= m.cfg.MaxKeys
}

// remove forgets an account. m.mu is held.
func (m *Memory) remove(key string, a *account) {
	delete(m.accounts, key)
	if keys := m.groups[a.group]; keys != nil {
		if delete(keys, key); len(keys) == 0 {
			delete(m.groups, a.group)
		}
	}
}

// Balance implements Store.
func (m *Memory) Balance(_ context.Context, key string) (Balance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.expire(now)
	if a := m.current(key, now); a != nil {
		return a.Balance, nil
	}
	return Balance{}, nil
}

// Drop implements Store.
func (m *Memory) Drop(_ context.Context, group string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.groups[group] {
		m.remove(key, m.accounts[key])
	}
	return nil
}
