package budget

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/maillon-go/maillon/contrib/config"
)

// Money is an amount in millionths of the currency's unit: 1.25 is 1250000. There are no floats in the books.
type Money int64

const (
	unit     = 1_000_000   // of Money in the currency's unit, and of tokens that a price is for
	maxMoney = 1e9 * unit  // of a limit
	maxPrice = 1000 * unit // of a million tokens
)

var errMoney = config.Showable(errors.New(`an amount of money is written as 5, 0.15 or 2.500001: not negative, at most 6 decimals, no currency`))

// ParseMoney reads a decimal number with at most six decimals, exactly.
func ParseMoney(s string) (Money, error) {
	whole, part, dot := strings.Cut(strings.TrimSpace(s), ".")
	if len(part) > 6 || dot && part == "" || whole == "" {
		return 0, errMoney
	}
	part += strings.Repeat("0", 6-len(part))
	units, err := strconv.ParseUint(whole, 10, 63)
	micros, err2 := strconv.ParseUint(part, 10, 63)
	if err != nil || err2 != nil || units > maxMoney/unit {
		return 0, errMoney
	}
	return Money(units*unit + micros), nil
}

// String is the amount with two decimals or as many as it needs.
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	s := fmt.Sprintf("%s%d.%06d", sign, m/unit, m%unit)
	for strings.HasSuffix(s, "0") && s[len(s)-3] != '.' {
		s = s[:len(s)-1]
	}
	return s
}

// MarshalText is String.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMoney.
func (m *Money) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMoney(string(b))
	return err
}
