package all_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/DeRuina/timberjack"

	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/stages"
)

// Who wants rotation by time and compression, and no chain, gives audit.ToWriter a library that rotates: every record is in one of its
// files, whole and once.
func TestAuditIsRotatedByALibrary(t *testing.T) {
	dir := t.TempDir()
	w := &timberjack.Logger{Filename: filepath.Join(dir, "audit.jsonl"), MaxSize: 1, Compression: "gzip", FileMode: 0o600}
	plugin := must(audit.New(audit.Settings{Sink: audit.ToWriter(w), Redact: asItIs}))
	p := stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(context.Background()) }()
	if _, err := p.Register(t.Context(), plugin); err != nil {
		t.Fatal(err)
	}
	const calls = 60
	call := p.Generation.Then(stages.Unchanged[*stages.Generation])
	for i := range calls {
		g := stages.NewGeneration(stages.Meta{RequestID: fmt.Sprint(i)}, stages.GenerationFields{
			Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: strings.Repeat("x", 50_000)}),
		})
		if _, err := call(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil { // and waits for the compression
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen, compressed := map[string]int{}, 0
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".gz") {
			compressed++
		}
		for _, r := range linesOf(t, filepath.Join(dir, f.Name())) {
			seen[r.RequestID]++
		}
	}
	if compressed < 2 || len(seen) != calls {
		t.Errorf("%d records in %d files, %d of them compressed", len(seen), len(files), compressed)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("record %s is there %d times", id, n)
		}
	}
}

func linesOf(t *testing.T, path string) (out []audit.Record) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var rec audit.Record
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, rec)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
