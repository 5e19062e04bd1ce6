package middleware

import (
	"context"
	"errors"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/internal/errlog"
)

// errUnfinished stands for the error of a call that did not return one.
var errUnfinished = errlog.New("middleware: the call panicked or ended in runtime.Goexit")

// verdict says how a call ended that ran with ctx.
func verdict(ctx context.Context, err error) chain.Verdict {
	if err == nil {
		return chain.Allowed
	}
	switch _, blocked := violation(err); {
	case blocked:
		return chain.Blocked
	case ctx.Err() != nil:
		return chain.Canceled
	}
	return chain.Failed
}

// violation finds a block in an error that is not nil.
func violation(err error) (*chain.Violation, bool) {
	v, ok := errors.AsType[*chain.Violation](err)
	return v, ok && v != nil
}
