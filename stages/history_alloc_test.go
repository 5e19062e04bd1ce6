//go:build !race

package stages

import (
	"fmt"
	"testing"
	"time"
)

// viewed is how many messages are looked at; longest is how long a conversation gets.
const viewed, longest = 10, 100_000

func conversation(n int) (h History) {
	for i := range n {
		h = h.Append(Message{Role: []Role{RoleUser, RoleAssistant}[i%2], Text: "High water is at 06:40."})
	}
	return h
}

// useTail appends a message and looks at the last ones.
func useTail(h History) (bytes int) {
	for _, m := range h.Append(Message{Role: RoleUser, Text: "And today?"}).Tail(viewed).Backward() {
		bytes += len(m.Text)
	}
	return bytes
}

// What a long conversation costs is what a short one costs, in allocations exactly.
func TestHistoryAlloc(t *testing.T) {
	for _, n := range []int{viewed, longest} {
		h, m := conversation(n), Message{Role: RoleUser, Text: "And today?"}
		for _, tc := range []struct {
			name string
			want float64
			f    func()
		}{
			{"appending", 1, func() { h.Append(m) }},
			{"the view of the last n", 0, func() { h.Tail(viewed) }},
			{"looking at the last n", 0, func() {
				for _, m := range h.Tail(viewed).Backward() {
					_ = m.Text
				}
			}},
			{"a List of the last n", 1, func() { h.Tail(viewed).Messages() }},
			{"the last turn", 0, func() { h.LastTurn() }},
			{"the estimate of tokens", 0, func() { h.Tokens() }},
			{"appending and looking at the last n", 1, func() { useTail(h) }},
		} {
			t.Run(fmt.Sprintf("%s of %d messages", tc.name, n), func(t *testing.T) {
				if got := testing.AllocsPerRun(100, tc.f); got > tc.want {
					t.Errorf("%v allocations, want at most %v", got, tc.want)
				}
			})
		}
	}
}

// Appending to a long conversation and looking at its end takes the time that it takes with a short one. The fastest of
// many rounds that take turns count, so that other work on the machine does not, and a miss is measured again.
func TestHistoryAllocAndTimeDoNotGrow(t *testing.T) {
	const limit, attempts, rounds = 1.5, 5, 200
	short, long := conversation(viewed), conversation(longest)
	ratio := 0.0
	for range attempts {
		a, b := time.Duration(1<<62), time.Duration(1<<62)
		for range rounds {
			a, b = min(a, timed(short)), min(b, timed(long))
		}
		if ratio = float64(b) / float64(a); ratio <= limit {
			t.Logf("%d messages / %d messages: %.2f", longest, viewed, ratio)
			return
		}
	}
	t.Errorf("%d messages / %d messages: %.2f, want at most %v", longest, viewed, ratio, limit)
}

func timed(h History) time.Duration {
	begun := time.Now()
	for range 100 {
		useTail(h)
	}
	return time.Since(begun)
}

func BenchmarkHistory(b *testing.B) {
	for _, n := range []int{viewed, longest} {
		h := conversation(n)
		b.Run(fmt.Sprintf("append and view the last %d/messages=%d", viewed, n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				useTail(h)
			}
		})
	}
}
