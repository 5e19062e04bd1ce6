package main

import (
	"testing"

	"github.com/maillon-go/maillon/internal/exampletest"
)

func TestOutput(t *testing.T) {
	// What the HTTP call is given, what it returns, and the text of its error.
	exampletest.Golden(t, exampletest.Run(t, run, "http://127.0.0.1", "out of order", "light breeze", "503 Service Unavailable"))
}
