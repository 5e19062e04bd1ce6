// Package readme tests that the code in README.md compiles and that its links lead somewhere.
package readme
