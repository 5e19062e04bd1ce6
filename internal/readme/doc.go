// Package readme tests that the code in README.md and in docs compiles and that their links lead somewhere.
package readme
