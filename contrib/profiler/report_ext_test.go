package profiler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var update = flag.Bool("update", false, "write the golden files")

// profiled is the report of a session that takes the same time whenever it runs.
func profiled(t *testing.T) (r profiler.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newProfiler(t, profiler.Settings{SampleEvery: 1})
		tool, err := session.NewTool("tides", "Tells the tide.", func(context.Context, berth) (string, error) {
			wait(300 * time.Millisecond)
			return "high", nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b := script("no", "a crane", `{"number":3}`)
		s, pl := started(t, p, b, session.WithTools(tool))
		slow := func(d time.Duration) chain.Handler[*stages.Generation] {
			return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) { wait(d); return g, nil }
		}
		if _, err := pl.Generation.Use(
			chain.Before(`<budget & "co">`, slow(200*time.Millisecond)),
			chain.Intercept[*stages.Generation]("retry", func(ctx context.Context, next func(context.Context) error) error {
				wait(100 * time.Millisecond)
				return next(ctx)
			}),
		); err != nil {
			t.Fatal(err)
		}
		if _, err := pl.Chunk.Use(chain.Before("redact", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
			wait(50 * time.Millisecond)
			return c, nil
		})); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Instruct(t.Context(), "note", session.Name("note</svg>\x1b[31m"), session.Require(plugintest.Mentions("crane"))); err != nil {
			t.Fatal(err)
		}
		slot := session.NewSlot[string, berth]("assign", "Assigns a berth.")
		if _, err := slot.Call(t.Context(), s, "Marigold"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r = p.Snapshot()
		r.Sessions[0].ID = "S<1>" // it is random
	})
	return r
}

func TestGolden(t *testing.T) {
	r := profiled(t)
	var svg, again bytes.Buffer
	for _, w := range []io.Writer{&svg, &again} {
		if err := r.Sessions[0].WriteSVG(w); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(svg.Bytes(), again.Bytes()) {
		t.Error("the chart is not the same twice")
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var back profiler.Report
	if err := json.Unmarshal(text, &back); err != nil || back.String() != r.String() {
		t.Errorf("JSON and back: %v\n%s", err, back)
	}
	for name, got := range map[string]string{"session.svg": svg.String(), "report.json": string(text) + "\n", "report.txt": r.String()} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not as it was; if that is right: go test ./contrib/profiler -run Golden -update\n%s", name, got)
		}
	}
}

// The chart is XML, its boxes lie within the one above them, and as wide as their time.
func TestChart(t *testing.T) {
	r := profiled(t)
	var svg bytes.Buffer
	if err := r.Sessions[0].WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	type box struct{ x, y, width float64 }
	var boxes []box
	d := xml.NewDecoder(&svg)
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok || start.Name.Local != "rect" {
			continue
		}
		at := map[string]float64{}
		for _, a := range start.Attr {
			at[a.Name.Local], _ = strconv.ParseFloat(a.Value, 64)
		}
		if at["rx"] != 0 { // not the background
			boxes = append(boxes, box{at["x"], at["y"], at["width"]})
		}
	}
	if len(boxes) < 12 {
		t.Fatalf("%d boxes", len(boxes))
	}
	const rounding = 0.05
	for _, b := range boxes[1:] {
		inside := false
		for _, up := range boxes {
			inside = inside || up.y == b.y-20 && up.x-rounding <= b.x && b.x+b.width <= up.x+up.width+rounding
		}
		if !inside {
			t.Errorf("%+v lies within none", b)
		}
	}
	// The second slot took one generation of 1.35 s, of 4.05 s in all.
	if first, last := boxes[0], boxes[1]; last.width < first.width/4 {
		t.Errorf("%+v of %+v", last, first)
	}
}

// Nothing that a name has moves a cursor or ends a box.
func TestNames(t *testing.T) {
	r := profiled(t)
	if text := r.String(); strings.ContainsRune(text, 0x1b) {
		t.Errorf("%q", text)
	}
	var svg bytes.Buffer
	if err := r.Sessions[0].WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	if text := svg.String(); strings.Contains(text, "note</svg>") || strings.ContainsRune(text, 0x1b) || !strings.Contains(text, "note&lt;/svg&gt;") {
		t.Error(text)
	}
}

// However many names there are, memory is bounded, and nothing is lost in the sums.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	const keys, names = 8, 100
	p := newProfiler(t, profiler.Settings{MaxKeys: keys, Sessions: 2, SampleEvery: 1})
	for i := range names {
		m := stages.Meta{SessionID: fmt.Sprint(i % 5), ComponentKind: "Instruction", ComponentName: fmt.Sprint(i, strings.Repeat("x", 1<<10))}
		p.ObserveGeneration(t.Context(), chain.Outcome[*stages.Generation]{Payload: stages.NewGeneration(m, stages.GenerationFields{})})
		l := chain.Traced{Chain: "generation", Link: fmt.Sprint(i)}
		p.LinkEnd(p.LinkStart(t.Context(), l), l, nil)
	}
	r := p.Snapshot()
	eq(t, "rows", len(r.Slots), keys+1)
	eq(t, "links", len(r.Links), keys+1)
	eq(t, "charts", len(r.Sessions), 2)
	eq(t, "stages without a chart", r.Unplaced, names*3/5)
	eq(t, "calls", rowOf(t, r.Stages, "", "", "generation").Calls, names)
	eq(t, "other calls", rowOf(t, r.Slots, "(other)", "", "generation").Calls, names-keys)
	for _, s := range r.Sessions {
		if n := count(s.Time); n > 2*keys+1 {
			t.Errorf("%d frames", n)
		}
	}
	for _, row := range r.Slots {
		if len(row.Name) > 200 {
			t.Errorf("a name of %d bytes", len(row.Name))
		}
	}
}

// A session that was closed gives its chart to another.
func TestChartsOfSessions(t *testing.T) {
	t.Parallel()
	p := newProfiler(t, profiler.Settings{Sessions: 1})
	for _, id := range []string{"a", "b"} {
		p.ObserveCleanup(t.Context(), chain.Outcome[*stages.Cleanup]{Payload: stages.NewCleanup(stages.Meta{SessionID: id}, stages.CleanupFields{})})
	}
	r := p.Snapshot()
	if len(r.Sessions) != 1 || r.Sessions[0].ID != "b" || !r.Sessions[0].Ended || r.Unplaced != 0 {
		t.Errorf("%+v, %d unplaced", r.Sessions, r.Unplaced)
	}
}

func count(f profiler.Frame) int {
	n := 1
	for _, p := range f.Parts {
		n += count(p)
	}
	return n
}

// 64 goroutines record, others look and reset: every snapshot is of one moment.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	p := newProfiler(t, profiler.Settings{SampleEvery: 1, MaxKeys: 16})
	var done, looks sync.WaitGroup
	stop := make(chan struct{})
	{
		looks.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := p.Snapshot()
				for _, rows := range [][]profiler.Row{r.Slots, r.Kinds, r.Stages} {
					for _, row := range rows {
						if row.Calls != row.Latency.Count || row.InputTokens != 2*row.Calls {
							t.Errorf("%d calls, %d times, %d tokens", row.Calls, row.Latency.Count, row.InputTokens)
							return
						}
					}
				}
			}
		})
	}
	const goroutines, calls = 64, 20
	for i := range goroutines {
		done.Go(func() {
			for j := range calls {
				g := stages.NewGeneration(stages.Meta{ComponentName: fmt.Sprint((i + j) % 30), SessionID: fmt.Sprint(i % 20)}, stages.GenerationFields{}).
					Done(stages.GenerationResult{Source: stages.SourceBackend, Output: stages.Output{Usage: stages.Usage{InputTokens: 2}}})
				p.ObserveGeneration(t.Context(), chain.Outcome[*stages.Generation]{Payload: g, Duration: time.Millisecond})
				l := chain.Traced{Chain: "generation", Link: fmt.Sprint(j), Kind: chain.KindAround}
				p.LinkEnd(p.LinkStart(t.Context(), l), l, nil)
			}
		})
	}
	done.Wait()
	close(stop)
	looks.Wait()
	eq(t, "calls", rowOf(t, p.Snapshot().Stages, "", "", "generation").Calls, goroutines*calls)
	p.Reset()
	eq(t, "after Reset", len(p.Snapshot().Slots), 0)
}
