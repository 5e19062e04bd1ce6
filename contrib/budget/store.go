package budget

import (
	"context"
	"errors"
	"time"
)

// Store keeps the books: accounts with what was settled and what is reserved. NewMemory is the one in this process; one
// that several processes share (a script in Redis, a transaction in SQL) implements the same four methods and is tested by
// package budgettest. Safe for concurrent use.
//
// A reservation that is not settled within a time that the store sets, because its process has died or its call hangs, is
// settled by the store as if all of it had been used.
type Store interface {
	// Reserve reserves all charges under an id, in one atomic step, or none of them. It returns the balances as they were
	// before, one for each charge, and whether it was done: it is not where one that is not forced does not fit,
	// which is so when its Amount is more than Balance.Left of its Limit. An id that was used before is ErrReserved.
	Reserve(ctx context.Context, id string, charges []Charge) (balances []Balance, ok bool, err error)
	// Settle ends a reservation: what was used goes into the books in the place of what was reserved, charge by charge; nil
	// gives all of it back. A charge whose window has ended meanwhile counts for that window. It reports false, and does
	// nothing, where the id is not known: it was settled before, or its time was over.
	//
	// It is called with a ctx that is not cancelled with the call: it has to bound itself.
	Settle(ctx context.Context, id string, used []int64) (bool, error)
	// Balance is that of one account; an unknown one has the zero Balance.
	Balance(ctx context.Context, key string) (Balance, error)
	// Drop forgets the accounts of a group.
	Drop(ctx context.Context, group string) error
}

// Charge is what a call wants of one account.
type Charge struct {
	Key    string
	Limit  int64
	Amount int64 // not negative
	// Force reserves beyond the limit too.
	Force bool
	// Window is how long an account counts before it begins anew, at times that are whole multiples of it since the year 1
	// in UTC; a day begins at midnight and a week on Monday. 0 is for ever.
	Window time.Duration
	// Idle is how long an account without reservations is kept after its last use; 0 is for ever.
	Idle  time.Duration
	Group string // for Drop; may be empty
}

// Balance is the state of an account at one moment.
type Balance struct {
	Settled  int64 // used
	Reserved int64 // by calls in flight
	// Overdraft is by how much answers took more than was reserved for them, in sum. Settled+Reserved can be beyond the limit
	// by no more than that, in an account without forced charges.
	Overdraft int64
	Resets    time.Time // when the window ends; zero without one
}

// Left is what a limit has left; negative when it is exceeded.
func (b Balance) Left(limit int64) int64 { return limit - b.Settled - b.Reserved }

// windowEnd is when the window of now ends, zero without a window.
func windowEnd(now time.Time, window time.Duration) time.Time {
	if window <= 0 {
		return time.Time{}
	}
	return now.UTC().Truncate(window).Add(window)
}

// Errors of stores.
var (
	ErrReserved = errors.New("budget: the reservation exists already")
	ErrFull     = errors.New("budget: the store has no room for another account")
	ErrCharge   = errors.New("budget: malformed charge")
)
