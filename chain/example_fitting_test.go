package chain_test

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/chain"
)

func ExampleFitting() {
	audit := chain.Fitting(chain.InMode(chain.Audit), chain.Priority(10))
	c := chain.New[*chain.Call[string, string]]("demo")
	_, err := c.Use(
		chain.Before("check", func(_ context.Context, p *chain.Call[string, string]) (*chain.Call[string, string], error) {
			return p, nil
		}, audit),
		chain.Observe("count", func(context.Context, chain.Outcome[*chain.Call[string, string]]) {}, audit),
	)
	fmt.Println(err)
	for _, l := range c.Explain().Links {
		fmt.Println(l.Name, l.Mode, l.Priority, l.Notes)
	}
	// Output:
	// <nil>
	// check audit 10 []
	// count sequential 10 [left out: mode audit: an observer takes sequential, fire_and_forget or disabled]
}

func ExampleLink_Fits() {
	l := chain.Observe("count", func(context.Context, chain.Outcome[*chain.Call[string, string]]) {})
	fmt.Println(l.Fits(chain.Priority(3)))
	fmt.Println(l.Fits(chain.OnFailure(chain.Fail)))
	// Output:
	// <nil>
	// chain: observe link "count": OnFailure(Fail): this link cannot stop a call
}
