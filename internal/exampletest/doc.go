// Package exampletest runs the programs in examples/ in tests.
//
//	func TestOutput(t *testing.T) {
//		exampletest.Golden(t, exampletest.Run(t, run))
//	}
//
// [Run] reads along: whatever a model is asked and answers, and what tools are given and return, must be in no log, although
// everything is logged that can be. What a program prints to its own writer is no log.
package exampletest
