package auditsql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/maillon-go/maillon/contrib/audit"
)

// DefaultTable is the name of the table.
const DefaultTable = "audit_log"

// Options of a Sink.
type Options struct {
	Table string // default DefaultTable; letters, digits and _, with a schema and a dot in front or without
	// Dollar is for drivers that number their parameters, $1, $2 and so on, as those of PostgreSQL do. Others take ?.
	Dollar bool
}

// Sink is an audit.Sink. Safe for concurrent use.
type Sink struct {
	db     *sql.DB
	insert string
	own    bool // the database is to be closed
}

var _ audit.Sink = (*Sink)(nil)

// columns are those of the table. The record itself, as JSON, has everything; the others are there to look for it.
var columns = []struct{ name, typ string }{
	{"time", "TEXT NOT NULL"}, // UTC, in a form that sorts
	{"chain", "TEXT NOT NULL"},
	{"hook", "TEXT NOT NULL"},
	{"verdict", "TEXT NOT NULL"},
	{"link", "TEXT NOT NULL"},
	{"code", "TEXT NOT NULL"},
	{"error_kind", "TEXT NOT NULL"},
	{"session_id", "TEXT NOT NULL"},
	{"request_id", "TEXT NOT NULL"},
	{"correlation_id", "TEXT NOT NULL"},
	{"user_id", "TEXT NOT NULL"},
	{"model", "TEXT NOT NULL"},
	{"source", "TEXT NOT NULL"},
	{"input_tokens", "BIGINT NOT NULL"},
	{"output_tokens", "BIGINT NOT NULL"},
	{"duration", "BIGINT NOT NULL"}, // nanoseconds
	{"record", "TEXT NOT NULL"},
}

const timeForm = "2006-01-02T15:04:05.000000000Z"

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// New makes the table if it is not there. The database stays the caller's, who closes it; Sink.Close does not.
func New(ctx context.Context, db *sql.DB, o Options) (*Sink, error) {
	if db == nil {
		return nil, errors.New("auditsql: New needs a database")
	}
	if o.Table == "" {
		o.Table = DefaultTable
	}
	if !tableName.MatchString(o.Table) {
		return nil, fmt.Errorf("auditsql: %.40q is no name of a table: want letters, digits and _", o.Table)
	}
	var names, defs, params []string
	for i, c := range columns {
		names, defs = append(names, c.name), append(defs, c.name+" "+c.typ)
		param := "?"
		if o.Dollar {
			param = fmt.Sprintf("$%d", i+1)
		}
		params = append(params, param)
	}
	create := "CREATE TABLE IF NOT EXISTS " + o.Table + " (" + strings.Join(defs, ", ") + ")"
	if _, err := db.ExecContext(ctx, create); err != nil {
		return nil, fmt.Errorf("auditsql: %w", err)
	}
	insert := "INSERT INTO " + o.Table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(params, ", ") + ")"
	return &Sink{db: db, insert: insert}, nil
}

// Write stores a batch in one transaction.
func (s *Sink) Write(ctx context.Context, batch []*audit.Record) (err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("auditsql: %w", err)
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback()
		}
	}()
	insert, err := tx.PrepareContext(ctx, s.insert)
	if err != nil {
		return fmt.Errorf("auditsql: %w", err)
	}
	defer func() { _ = insert.Close() }()
	for _, r := range batch {
		b, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("auditsql: %w", err)
		}
		in, out := 0, 0
		if r.Usage != nil {
			in, out = r.Usage.InputTokens, r.Usage.OutputTokens
		}
		if _, err := insert.ExecContext(ctx, r.Time.UTC().Format(timeForm), r.Chain, r.Hook, r.Verdict.String(), r.Link, r.Code, r.ErrorKind,
			r.SessionID, r.RequestID, r.CorrelationID, r.UserID, r.Model, r.Source, in, out, int64(r.Duration), string(b)); err != nil {
			return fmt.Errorf("auditsql: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("auditsql: %w", err)
	}
	return nil
}

// Close closes a database that OpenSQLite opened.
func (s *Sink) Close() error {
	if !s.own {
		return nil
	}
	return s.db.Close()
}
