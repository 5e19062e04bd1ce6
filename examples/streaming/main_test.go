package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOutput(t *testing.T) { exampletest.Golden(t, exampletest.Run(t, run)) }
