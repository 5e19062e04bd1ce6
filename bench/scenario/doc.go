// Package scenario is the work that is measured: what happens in a call (nothing, a rewrite, a block, a timeout, ...) by who does
// it. A cell is one of the two together, at a number of links; its id is what benchmarks, bounds and reports know it by:
//
//	noop/links=10/guarded/gobreaker
//	rewrite/links=10/guarded/maillon hooks
//	history/links=1024/session
package scenario
