package middleware

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/chain"
)

// refuse is what a constructor returns for arguments that it cannot work with.
func refuse(format string, a ...any) chain.Interceptor {
	err := fmt.Errorf("middleware: "+format, a...)
	return func(context.Context, func(context.Context) error) error { return err }
}
