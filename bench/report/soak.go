package report

import (
	"fmt"
	"time"
)

// Soak is what a soak run came to, as it stands in SoakFile.
type Soak struct {
	Where      Where         `json:"where"`
	Duration   time.Duration `json:"duration"`
	Calls      int64         `json:"calls"`
	Streams    int64         `json:"streams"`
	PerSecond  float64       `json:"per_second"`
	P50        time.Duration `json:"p50"`
	P99        time.Duration `json:"p99"`
	P999       time.Duration `json:"p999"`
	Most       time.Duration `json:"most"`
	Allowed    int64         `json:"allowed"`
	Blocked    int64         `json:"blocked"`
	Failed     int64         `json:"failed"`
	Canceled   int64         `json:"canceled"`
	Outcomes   int64         `json:"outcomes"`
	Queued     int64         `json:"queued"`
	Done       int64         `json:"done"`
	Dropped    int64         `json:"dropped"`
	HeapBefore uint64        `json:"heap_before"` // bytes
	HeapMost   uint64        `json:"heap_most"`
	HeapAfter  uint64        `json:"heap_after"`
	Goroutines [3]int        `json:"goroutines"` // before, most, after
	Records    int64         `json:"records"`    // durable, of the audit
	Signed     int64         `json:"signed"`     // that the audit says it has written
	OfCalls    [4]int64      `json:"of_calls"`   // durable, of calls by their verdict
	Trips      int64         `json:"trips"`      // of the breaker that is to open

	Hits      int64 `json:"hits"` // of the cache
	Misses    int64 `json:"misses"`
	Evictions int64 `json:"evictions"`

	// While no session is open and the plugins are there: after a tenth of the time, and at the end.
	HeapEarly       uint64 `json:"heap_early"`
	HeapLate        uint64 `json:"heap_late"`
	GoroutinesEarly int    `json:"goroutines_early"`
	GoroutinesLate  int    `json:"goroutines_late"`
}

// SoakFile is its name in Folder.
const SoakFile = "soak.json"

// Table is the run for people.
func (s Soak) Table() Table {
	mb := func(b uint64) string { return fmt.Sprintf("%.1f MB", float64(b)/1e6) }
	return Table{Head: []string{"soak", "measured"}, Rows: [][]string{
		{"run", fmt.Sprintf("%v on %s, %d CPUs, %s, commit %s, %s", s.Duration, s.Where.CPU, s.Where.CPUs, s.Where.Go, s.Where.Commit, s.Where.Date)},
		{"calls, streams among them", fmt.Sprintf("%d, %d", s.Calls, s.Streams)},
		{"calls per second", fmt.Sprintf("%.0f", s.PerSecond)},
		{"latency p50, p99, p99.9, most", fmt.Sprintf("%v, %v, %v, %v", s.P50, s.P99, s.P999, s.Most)},
		{"allowed, blocked, failed, canceled", fmt.Sprintf("%d, %d, %d, %d", s.Allowed, s.Blocked, s.Failed, s.Canceled)},
		{"outcomes that observers saw", fmt.Sprint(s.Outcomes)},
		{"background jobs queued, done, dropped", fmt.Sprintf("%d, %d, %d", s.Queued, s.Done, s.Dropped)},
		{"audit records acknowledged, on disk", fmt.Sprintf("%d, %d", s.Signed, s.Records)},
		{"of calls on disk: allowed, blocked, failed, canceled", fmt.Sprintf("%d, %d, %d, %d", s.OfCalls[0], s.OfCalls[1], s.OfCalls[2], s.OfCalls[3])},
		{"cache hits, misses, evictions", fmt.Sprintf("%d, %d, %d", s.Hits, s.Misses, s.Evictions)},
		{"times that a breaker opened", fmt.Sprint(s.Trips)},
		{"heap with the plugins and no session: after a tenth, at the end", fmt.Sprintf("%s, %s", mb(s.HeapEarly), mb(s.HeapLate))},
		{"heap before, most, after", fmt.Sprintf("%s, %s, %s", mb(s.HeapBefore), mb(s.HeapMost), mb(s.HeapAfter))},
		{"goroutines before, most, after", fmt.Sprintf("%d, %d, %d", s.Goroutines[0], s.Goroutines[1], s.Goroutines[2])},
	}}
}
