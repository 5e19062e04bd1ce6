package auditsql_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/audit/auditsql"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string, o auditsql.Options) *auditsql.Sink {
	t.Helper()
	s, err := auditsql.OpenSQLite(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func read(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func count(t *testing.T, db *sql.DB, where string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM audit_log "+where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d.db")
	s := open(t, path, auditsql.Options{Dollar: true}) // SQLite takes both
	at := time.Date(2026, 3, 1, 12, 30, 15, 5, time.UTC)
	want := &audit.Record{
		Time: at, Chain: "generation", Hook: "generation_post_call", Verdict: chain.Blocked, Link: "l'ink", Code: "odd",
		RequestID: "r", Model: "m", Source: "cache", Usage: &stages.Usage{InputTokens: 7, OutputTokens: 3}, Duration: time.Second,
		Contents: json.RawMessage(`{"a":"it's \"x\""}`),
	}
	if err := s.Write(t.Context(), []*audit.Record{want, {Time: at}}); err != nil {
		t.Fatal(err)
	}
	db := read(t, (&fileURL{path}).String())
	var record, when, link, verdict string
	var in int
	if err := db.QueryRowContext(t.Context(), "SELECT time, link, verdict, input_tokens, record FROM audit_log WHERE request_id = 'r'").
		Scan(&when, &link, &verdict, &in, &record); err != nil {
		t.Fatal(err)
	}
	if when != "2026-03-01T12:30:15.000000005Z" || link != "l'ink" || verdict != "blocked" || in != 7 {
		t.Error(when, link, verdict, in)
	}
	var got audit.Record
	if err := json.Unmarshal([]byte(record), &got); err != nil || *got.Usage != *want.Usage || !bytes.Equal(got.Contents, want.Contents) {
		t.Errorf("%s, %v", record, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// fileURL is a path as SQLite takes it whatever is in it.
type fileURL struct{ path string }

func (f *fileURL) String() string {
	out := "file:"
	for _, b := range []byte(f.path) {
		out += fmt.Sprintf("%%%02x", b)
	}
	return out
}

// A batch is stored as a whole or not at all.
func TestBatchIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s, db := open(t, path, auditsql.Options{}), read(t, path)
	if _, err := db.ExecContext(t.Context(), "CREATE TRIGGER no BEFORE INSERT ON audit_log WHEN NEW.code = 'bad' BEGIN SELECT RAISE(FAIL, 'no'); END"); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), []*audit.Record{{Code: "good"}, {Code: "bad"}}); err == nil {
		t.Error("no error")
	}
	if n := count(t, db, ""); n != 0 {
		t.Errorf("%d rows", n)
	}
	if err := s.Write(t.Context(), []*audit.Record{{Code: "good"}}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, ""); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestSessionsConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	p, err := audit.New(audit.Settings{Sink: open(t, path, auditsql.Options{}), SkipAllowed: []string{"chunk"}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			s, err := session.Start(t.Context(), session.WithPlugins(p), session.WithBackend(session.BackendFunc(
				func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
					return g.Done(stages.GenerationResult{Output: stages.Output{Text: "06:40"}, Source: stages.SourceBackend}), nil
				})))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Instruct(t.Context(), "when?"); err != nil {
				t.Error(err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := read(t, path)
	if n := count(t, db, "WHERE chain = 'generation' AND source = 'backend'"); n != 64 {
		t.Errorf("%d generations", n)
	}
	if s := p.Stats(); s.Err != nil || int(s.Written) != count(t, db, "") { //nolint:gosec // small
		t.Errorf("%+v", s)
	}
}

func TestMistakes(t *testing.T) {
	if _, err := auditsql.New(t.Context(), nil, auditsql.Options{}); err == nil {
		t.Error("no database")
	}
	dir := t.TempDir()
	for _, table := range []string{"a b", "a;drop table x", "1a", "a.b.c", "a-b"} {
		if _, err := auditsql.OpenSQLite(t.Context(), filepath.Join(dir, "x.db"), auditsql.Options{Table: table}); err == nil {
			t.Errorf("table %q", table)
		}
	}
	if _, err := auditsql.OpenSQLite(t.Context(), filepath.Join(dir, "none", "x.db"), auditsql.Options{}); err == nil {
		t.Error("a folder that is not there")
	}
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sink, err := auditsql.OpenSQLite(ctx, filepath.Join(dir, "audit.db"), auditsql.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = sink.Close() }()
	plugin, err := audit.New(audit.Settings{Sink: sink})
	if err != nil {
		panic(err)
	}
	p := stages.NewPipeline(stages.PipelineConfig{})
	if _, err := p.Register(ctx, plugin); err != nil {
		panic(err)
	}
	call := p.Generation.Then(stages.Unchanged[*stages.Generation])
	_, err = call(ctx, stages.NewGeneration(stages.Meta{RequestID: "r_1"}, stages.GenerationFields{}))
	fmt.Println(err, plugin.Stats().Written)
	// Output: <nil> 1
}
