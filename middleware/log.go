package middleware

import (
	"context"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/internal/errlog"
)

// LogOption sets something about a Log.
type LogOption interface{ applyLog(*logging) }

type logOption func(*logging)

func (f logOption) applyLog(l *logging) { f(l) }

// LogName names the operation in the field "operation"; without it there is no such field.
func LogName(operation string) LogOption {
	return logOption(func(l *logging) { l.operation = operation })
}

// LogLevel sets the level of calls that ended so. The defaults are info for Allowed and Canceled, warn for Blocked and
// error for Failed. An unknown verdict is ignored.
func LogLevel(v chain.Verdict, level zapcore.Level) LogOption {
	return logOption(func(l *logging) {
		if int(v) < len(l.levels) {
			l.levels[v] = level
		}
	})
}

// LogFields adds fields taken from the call's context, such as a request id. It runs only for lines that are written.
func LogFields(f func(context.Context) []zap.Field) LogOption {
	return logOption(func(l *logging) { l.fields = f })
}

// LogErrorText writes the texts of errors. Without it the types of an error and of what it wraps are written, and texts that
// are known to be constant, since the text of a backend's error may quote a prompt.
func LogErrorText() LogOption { return logOption(func(l *logging) { l.errorText = true }) }

type logging struct {
	logger    *zap.Logger
	errorText bool
	operation string
	levels    [4]zapcore.Level // by verdict
	fields    func(context.Context) []zap.Field
}

// Log writes one line at the end of each call: operation, verdict, duration, and of what type the error was if there was one
// (its text with LogErrorText). Of a block it writes code, reason and who blocked, not the details. It never sees the payload.
// A call that panicked or ended in runtime.Goexit is logged as failed.
// A nil logger logs nothing.
func Log(logger *zap.Logger, opts ...LogOption) chain.Interceptor {
	l := &logging{logger: logger}
	l.levels[chain.Allowed], l.levels[chain.Canceled] = zap.InfoLevel, zap.InfoLevel
	l.levels[chain.Blocked], l.levels[chain.Failed] = zap.WarnLevel, zap.ErrorLevel
	if logger == nil {
		l.logger = zap.NewNop()
	}
	for _, o := range opts {
		if o != nil {
			o.applyLog(l)
		}
	}
	return l.intercept
}

func (l *logging) intercept(ctx context.Context, next func(context.Context) error) error {
	start, err := time.Now(), errUnfinished
	defer func() { l.write(ctx, err, time.Since(start)) }()
	err = next(ctx)
	return err
}

func (l *logging) write(ctx context.Context, err error, d time.Duration) {
	how := verdict(ctx, err)
	if err == errUnfinished { //nolint:errorlint // ours, never wrapped
		how = chain.Failed
	}
	line := l.logger.Check(l.levels[how], "call")
	if line == nil {
		return
	}
	fields := []zap.Field{zap.Stringer("verdict", how), zap.Duration("duration", d)}
	if l.operation != "" {
		fields = append(fields, zap.String("operation", l.operation))
	}
	if how == chain.Blocked {
		v, _ := violation(err)
		fields = append(fields, zap.String("code", v.Code), zap.String("reason", v.Reason), zap.String("link", v.Chain+"/"+v.Link))
	} else {
		fields = append(fields, errlog.Field(err, l.errorText)) // adds nothing for nil
	}
	if l.fields != nil {
		fields = append(fields, l.fields(ctx)...)
	}
	line.Write(fields...)
}
