package auditsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// OpenSQLite opens or makes a database file that only its owner may read. What Write has stored survives a power failure
// (journal WAL, synchronous FULL). A writer of another process is waited for, 5 s at most.
func OpenSQLite(ctx context.Context, path string, o Options) (*Sink, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("auditsql: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // its journal gets the same mode
	if err != nil {
		return nil, fmt.Errorf("auditsql: %w", err)
	}
	_ = f.Close()
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("auditsql: %w", err)
	}
	db.SetMaxOpenConns(1)
	s, err := New(ctx, db, o)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.own = true
	return s, nil
}
