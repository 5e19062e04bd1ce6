package budget_test

import (
	"testing"

	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/contrib/budget/budgettest"
)

func TestMemoryConforms(t *testing.T) {
	budgettest.Run(t, func(*testing.T) budget.Store { return budget.NewMemory(budget.MemoryConfig{}) })
}
