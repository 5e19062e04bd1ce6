// Package bound holds what the project promises about prices, and measures it.
//
// Only ratios and allocations are bounds: nanoseconds depend on the machine. The two sides of a ratio are measured in turn, many
// short times, and the median of the pairs counts, so that a noisy neighbour hits both alike. A ratio that misses is measured
// again, longer, up to three times, and the last one decides: other work on the machine comes and goes, a slower loop stays.
package bound
