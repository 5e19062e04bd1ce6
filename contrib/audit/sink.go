package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Sink stores records. Write gets at least one, in order, and is never called twice at a time by one Plugin. Nil means that all
// of them are stored; after an error the same records come again, together with later ones, so that a sink that had stored some
// of them stores those twice. Records must not be changed; they may be kept.
type Sink interface {
	Write(ctx context.Context, batch []*Record) error
}

// SinkFunc is a function as a Sink.
type SinkFunc func(ctx context.Context, batch []*Record) error

// Write calls f.
func (f SinkFunc) Write(ctx context.Context, batch []*Record) error { return f(ctx, batch) }

// ToWriter writes records as JSON Lines, a batch with one call of w.Write. They are not chained: what begins anew with each
// process cannot be verified. Use File for that.
func ToWriter(w io.Writer) Sink {
	return SinkFunc(func(_ context.Context, batch []*Record) error {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		for _, r := range batch {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		_, err := w.Write(b.Bytes())
		return err
	})
}

// ToZap writes records to the logger's core as entries with the message "audit" and the record in the field "record". They are
// written whatever the logger's level: an audit is not made less complete by a setting of logs. Entries have the level info, or
// warn where the call was not allowed.
func ToZap(l *zap.Logger) Sink {
	if l == nil {
		return SinkFunc(func(context.Context, []*Record) error { return errors.New("audit: ToZap needs a logger") })
	}
	return SinkFunc(func(_ context.Context, batch []*Record) error {
		var errs []error
		for _, r := range batch {
			e := zapcore.Entry{Level: zapcore.InfoLevel, Time: time.Now(), LoggerName: l.Name(), Message: "audit"}
			if r.Verdict != 0 {
				e.Level = zapcore.WarnLevel
			}
			errs = append(errs, l.Core().Write(e, []zap.Field{zap.Reflect("record", r)}))
		}
		return errors.Join(errs...)
	})
}
