package middleware

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/chain"
)

// refuse is what a constructor returns for arguments that it cannot work with. The error is marked as a refusal, so that
// the guard of the link does not open over it and hide it.
func refuse(format string, a ...any) chain.Interceptor {
	err := chain.Refuse(fmt.Errorf("middleware: "+format, a...))
	return func(context.Context, func(context.Context) error) error { return err }
}
