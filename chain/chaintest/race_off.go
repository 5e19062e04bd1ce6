//go:build !race

package chaintest

// raceEnabled says that the race detector is on, which allocates itself.
const raceEnabled = false
