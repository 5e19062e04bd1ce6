package pii

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/stages"
)

func TestPlainly(t *testing.T) {
	for number, want := range map[string]string{
		"4.111111111111111e15": "4111111111111111", "41111111111111110e-1": "4111111111111111", "-4.5E+2": "-450", "4111.0": "4111.0", "12e0": "12", "0e5": "0",
		"1e-3": "0.001", "1.50e1": "15", "1e999999999999": "1e999999999999", "1e66": "1e66", "1e-66": "1e-66",
		"4111111111111111" + strings.Repeat("0", 200) + "e-200": "4111111111111111", "0." + strings.Repeat("0", 200) + "4111111111111111E216": "4111111111111111",
	} {
		if got := plainly(number); got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		number := fmt.Sprintf("%d.%de%d", r.Int64N(1e12)-1e11, r.Uint64N(1e9), r.IntN(2*maxShift+1)-maxShift)
		got := plainly(number)
		a, aOK := new(big.Rat).SetString(number)
		b, bOK := new(big.Rat).SetString(got)
		if !aOK || !bOK || a.Cmp(b) != 0 || strings.Contains(got, "e") || !json.Valid([]byte(got)) {
			t.Fatalf("%s: %s", number, got)
		}
	}
}

// A number of a tool's arguments is found however it is written, and left as it was where nothing is found.
func TestNumbersInJSON(t *testing.T) {
	p, err := New(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range [][2]string{
		{`{"card":4.111111111111111e15}`, `{"card":"[CARD]"}`},
		{`[41111111111111110E-1, 2.50e3]`, `["[CARD]", 2.50e3]`},
		{`{"n":-1.5e-7}`, `{"n":-1.5e-7}`},
	} {
		if got := p.begin(t.Context()).json(stages.JSON(tc[0])); string(got) != tc[1] {
			t.Errorf("%s: %s, want %s", tc[0], got, tc[1])
		}
	}
}
