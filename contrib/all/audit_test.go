package all_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/all"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// dollars is SQLite that takes numbered parameters only, and says where it was sent.
type dollars struct{}

type dollarConn struct{ driver.Conn }

func (dollars) Open(dsn string) (driver.Conn, error) {
	db, err := sql.Open("sqlite", "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	c, err := db.Driver().Open(dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dsn, err)
	}
	return dollarConn{c}, nil
}

func (c dollarConn) Prepare(query string) (driver.Stmt, error) {
	if strings.Contains(query, "?") {
		return nil, errors.New("a ? in the query")
	}
	return c.Conn.Prepare(query)
}

func init() { sql.Register("dollars", dollars{}) }

// stored are the records of a table.
func stored(t *testing.T, path, table string) (out []audit.Record) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT record FROM "+table+" ORDER BY rowid") //nolint:gosec // of the test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		var r audit.Record
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// A file, a SQLite database and another one by its driver have the same records, over a reload that changes settings too.
func TestAuditInSQL(t *testing.T) {
	dir := t.TempDir()
	trail, one, two := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "one.db"), filepath.Join(dir, "two.db")
	t.Setenv("AUDIT_KEY", "0123456789abcdef")
	t.Setenv("AUDIT_DSN", "file:"+two)
	text := func(buffer string) string {
		return `  - {name: audit, kind: audit_log, config: {path: ` + trail + `, key: {env: AUDIT_KEY}, fsync: never, contents: redacted}}
  - {name: rows, kind: audit_log, config: {sql: {file: ` + one + `}, contents: redacted, buffer: ` + buffer + `}}
  - {name: more_rows, kind: audit_log, config: {sql: {driver: dollars, dsn: {env: AUDIT_DSN}, table: trail, dollar: true}, buffer: ` + buffer + `}}
`
	}
	r := run(t, all.Options{}, text("1000000"))
	r.wants("before", "I am bob@ship.example. When?", "")
	r.reload(text("2000000"))
	r.wants("after", "When?", "")
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(trail, audit.VerifyOptions{Key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	a, b := stored(t, one, "audit_log"), stored(t, two, "trail")
	if len(a) != report.Records || len(b) != report.Records || report.Records < 4 {
		t.Fatalf("%d records in the file, %d and %d rows", report.Records, len(a), len(b))
	}
	generations := 0
	for i := range a {
		if a[i].Chain != b[i].Chain || a[i].RequestID != b[i].RequestID || b[i].Contents != nil {
			t.Errorf("row %d: %+v, %+v", i, a[i], b[i])
		}
		if a[i].Chain == "generation" {
			generations++
		}
		if strings.Contains(string(a[i].Contents), "bob@") {
			t.Errorf("row %d is not redacted", i)
		}
	}
	if generations != 2 {
		t.Errorf("%d generations", generations)
	}
}

// A preview makes no database, a database that cannot be opened is known at the start, and what a driver says of it does not have the
// password.
func TestAuditInSQLThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	text := "plugins:\n  - {name: a, kind: audit_log, config: {sql: {file: " + filepath.Join(dir, "a.db") + "}}}\n"
	if _, err := config.PreviewBytes("x.yaml", []byte(text), all.Kinds(all.Options{})); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
	t.Setenv("AUDIT_DSN", "file:"+dir+"/none/x?_pragma=hunter2")
	for _, where := range []string{"{file: " + dir + "/none/x.db}", "{driver: dollars, dsn: {env: AUDIT_DSN}}", "{file: " + dir + "/x.db, table: a-b}"} {
		path := filepath.Join(dir, "maillon.yaml")
		if err := os.WriteFile(path, []byte("plugins:\n  - {name: a, kind: audit_log, config: {sql: "+where+"}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := stages.NewPipeline(stages.PipelineConfig{})
		_, err := config.Open(t.Context(), path, config.Options{Pipeline: p, Kinds: all.Kinds(all.Options{})})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", where, err)
		}
		_ = p.Close(context.Background())
	}
}
