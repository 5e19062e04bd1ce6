// Package measure times work in short samples, so that two works, or two hundred, can take turns on a machine that others
// use too. It knows how long a sample should be, what is made ready before it and what must be waited for after it, and counts
// allocations.
package measure
