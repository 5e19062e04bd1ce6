package all

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/audit/auditsql"
	"github.com/maillon-go/maillon/contrib/config"
)

// Audit is audit.Settings for files.
type Audit struct {
	audit.Settings `yaml:",inline"`
	// SQL is where records go in the place of Path.
	SQL *SQL `yaml:"sql"`
}

// SQL is a table for audit records: in a SQLite database in File, or where DSN says by a Driver of database/sql that the program
// imports.
type SQL struct {
	File   string        `yaml:"file"`
	Driver string        `yaml:"driver"`
	DSN    config.Secret `yaml:"dsn"`
	Table  string        `yaml:"table"`  // default auditsql.DefaultTable; it is made if it is not there
	Dollar bool          `yaml:"dollar"` // the driver numbers its parameters, $1, $2 and so on
}

func buildAudit(s Audit) (any, error) {
	if s.SQL == nil {
		return audit.New(s.Settings)
	}
	switch q := s.SQL; {
	case s.Path != "":
		return nil, errors.New("audit: path and sql are both given: for two sinks write two plugins")
	case s.Key.Reveal() != "" || s.MaxBytes != 0 || s.MaxFiles != 0 || s.Fsync != "" || s.FsyncInterval != 0:
		return nil, errors.New("audit: key, max_bytes, max_files, fsync and fsync_interval are for a file at path, not for sql")
	case (q.File == "") == (q.Driver == ""), (q.Driver == "") != (q.DSN.Reveal() == ""):
		return nil, errors.New("audit: sql needs the file of a SQLite database, or a driver and a dsn")
	case q.Driver != "" && !slices.Contains(sql.Drivers(), q.Driver):
		return nil, fmt.Errorf("audit: the program has no driver %.40q, it has %s: import the driver", q.Driver, strings.Join(sql.Drivers(), ", "))
	}
	p := &sqlAudit{rows: rows{to: *s.SQL}}
	s.Sink = &p.rows
	var err error
	p.Plugin, err = audit.New(s.Settings)
	return p, err
}

// sqlAudit is an audit with a database of its own.
type sqlAudit struct {
	*audit.Plugin
	rows rows
}

// Init opens the database, so that a mistake shows at registration.
func (p *sqlAudit) Init(ctx context.Context) error {
	_, err := p.rows.open(ctx)
	return err
}

// Close writes what waits and closes the database. What comes afterwards opens it again.
func (p *sqlAudit) Close(ctx context.Context) error {
	return errors.Join(p.Plugin.Close(ctx), p.rows.close())
}

// rows opens its database when it is needed: a plugin that is only looked at in a preview must hold nothing.
type rows struct {
	to SQL

	mu   sync.Mutex
	sink *auditsql.Sink
	db   *sql.DB // nil for SQLite
}

// Write implements audit.Sink.
func (r *rows) Write(ctx context.Context, batch []*audit.Record) error {
	sink, err := r.open(ctx)
	if err != nil {
		return err
	}
	return sink.Write(ctx, batch)
}

func (r *rows) open(ctx context.Context) (*auditsql.Sink, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sink != nil {
		return r.sink, nil
	}
	o := auditsql.Options{Table: r.to.Table, Dollar: r.to.Dollar}
	var err error
	if r.to.File != "" {
		r.sink, err = auditsql.OpenSQLite(ctx, r.to.File, o)
		return r.sink, err
	}
	if r.db, err = sql.Open(r.to.Driver, r.to.DSN.Reveal()); err == nil {
		if r.sink, err = auditsql.New(ctx, r.db, o); err != nil {
			err = errors.Join(err, r.db.Close())
		}
	}
	if err != nil { // drivers may say where they were sent, with the password
		return nil, errors.New(strings.ReplaceAll(err.Error(), r.to.DSN.Reveal(), r.to.DSN.String()))
	}
	return r.sink, nil
}

func (r *rows) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	sink, db := r.sink, r.db
	r.sink, r.db = nil, nil
	switch {
	case sink == nil:
		return nil
	case db != nil:
		return db.Close()
	}
	return sink.Close()
}
