// Package readme tests that the code in README.md and in docs compiles and that their links lead somewhere. That of the pages on plugins is
// compiled by contrib/all, which has all their modules.
package readme
