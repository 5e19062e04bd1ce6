package budget

import (
	"fmt"
	"time"
)

// Usage is a snapshot of an account. Its JSON has the amounts in tokens or, where the unit is "cost", in millionths.
type Usage struct {
	Limit     string    `json:"limit"`
	Unit      string    `json:"unit"` // UnitTokens or UnitCost
	Max       int64     `json:"max"`
	Settled   int64     `json:"settled"`
	Reserved  int64     `json:"reserved"`
	Left      int64     `json:"left"` // not below 0
	Overdraft int64     `json:"overdraft"`
	Resets    time.Time `json:"resets,omitzero"` // when the window ends; zero without one, or before its first call
}

// String is the snapshot in a line.
func (u Usage) String() string {
	s := fmt.Sprintf("%s: %s of %s %s used, %s reserved", u.Limit, amount(u.Unit, u.Settled), amount(u.Unit, u.Max), u.Unit, amount(u.Unit, u.Reserved))
	if u.Overdraft > 0 {
		s += ", " + amount(u.Unit, u.Overdraft) + " more than reserved"
	}
	if !u.Resets.IsZero() {
		s += ", resets " + u.Resets.Format(time.RFC3339)
	}
	return s
}

// amount is a number of tokens, or money.
func amount(unit string, n int64) string {
	if unit == UnitCost {
		return Money(n).String()
	}
	return fmt.Sprint(n)
}
