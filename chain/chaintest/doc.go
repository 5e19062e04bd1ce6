// Package chaintest is a test kit for links of package chain: a conformance suite, a recorder, faults and a price list.
//
// Run checks any link, with or without a chain around it, for what a chain and its users rely on:
//
//	func TestConformance(t *testing.T) {
//		link := chain.Around("cache", cache.Middleware)
//		chaintest.Run(t, link, chaintest.MaxNext(1), chaintest.MaxAllocs(3))
//	}
//
// A Recorder makes links that write down what passes them, and in which order. A Fault (Error, Panic, Goexit, Hang,
// Stuck, Slow, Flaky) makes any kind of link, or the handler, fail in a given way. Price says what each link of a chain
// costs, in nanoseconds, allocations and as a share of a backend's latency.
package chaintest
