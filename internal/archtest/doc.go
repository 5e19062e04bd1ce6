// Package archtest is the architecture of the repository as tests that fail.
//
// It reads every Go file and every go.mod, nested modules too, and checks
//
//   - the direction of imports: chain knows nothing of stages, stages nothing of session, contrib nothing of internal;
//   - the top level, which has a fixed list of entries;
//   - the modules: what the root may require, and that every nested module is built against this checkout;
//   - that tests neither sleep nor skip themselves, and that every package says what it is;
//   - the files: no large one, no program, nothing else that is no text.
//
// Tests are free to import what they like: only what users compile has a direction. Every rule is a function that
// returns its complaints, and has a test of its own that shows it a bad example.
package archtest
