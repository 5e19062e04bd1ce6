package session_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// 1000 sessions at once, of ten instructions each, on the embedded model: all are answered, and when they are closed the
// memory is what it was.
func TestThousandSessions(t *testing.T) { //nolint:paralleltest // it measures the memory
	sessions := 1000
	if testing.Short() {
		sessions = 100
	}
	p, b := stages.NewPipeline(stages.PipelineConfig{}), ngram.NewBackend()
	run := func(n, instructions int) {
		var wg sync.WaitGroup
		all := make(chan struct{}) // they are all open before the first one is used
		var open sync.WaitGroup
		open.Add(n)
		for i := range n {
			wg.Go(func() {
				s, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(session.BackendFunc(b.Generate)),
					session.WithModelOptions(stages.ModelOptions{MaxTokens: stages.Some(2)}))
				open.Done()
				if err != nil {
					t.Error(err)
					return
				}
				<-all
				for j := range instructions {
					if _, err := s.Instruct(t.Context(), fmt.Sprintf("x%d y%d", j, i)); err != nil {
						t.Error(err)
					}
				}
				if got := s.History().Len(); got != 2*instructions {
					t.Errorf("%d messages", got)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		open.Wait()
		close(all)
		wg.Wait()
	}
	run(sessions, 1) // what is made once: the model, and what Go keeps of so many goroutines
	before, goroutines := heap(), runtime.NumGoroutine()
	run(sessions, 10)
	after := heap()
	t.Logf("%d KiB in use before, %d KiB after", before>>10, after>>10)
	if after > before+before/10 {
		t.Errorf("%d bytes in use before, %d after", before, after)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines before, %d after", goroutines, n)
	}
}

// heap is what is in use, once what is not is collected: finalizers and pools take a second round.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
