// Package auditsql stores audit records in a table, by any driver of database/sql; the one that comes with it is SQLite in pure
// Go.
//
//	sink, err := auditsql.OpenSQLite(ctx, "audit.db", auditsql.Options{})
//	if err != nil { ... }
//	defer sink.Close()
//	plugin, err := audit.New(audit.Settings{Sink: sink})
//
// A batch is one transaction: all of it is stored or nothing. When the connection is lost while a transaction is committed nobody
// knows which of the two it was, and the batch comes again: rows may be there twice, with the same record.
//
// Rows are not chained. Who may change the table can do so without a trace: use the rights of the database, or audit.File.
package auditsql
