package main

import (
	"context"
	"fmt"
	"io"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// crossing is the payload of a stage of one's own: what an application decides before it asks the model.
type crossing struct {
	route      string
	passengers int
}

// planning is the stage. Links before it may write the route and nothing else; without Writable they could write nothing.
// Its name is known in the whole process, to plugins, options and configuration alike, so it is made once.
var planning, errPlanning = stages.AddHook[crossing](stages.HookPoint{
	Name: "crossing_pre_plan", Chain: "crossing", Position: chain.KindBefore, Writable: []string{"route"},
})

// pilot is a plugin for it. Its method is found by the name of the hook point.
type pilot struct{}

func (*pilot) OnCrossingPrePlan(_ context.Context, c *crossing) (*crossing, error) {
	return &crossing{route: "round the sandbank, " + c.route, passengers: 1000}, nil
}

// cross is the application: it binds its stage in a pipeline and calls it.
func cross(ctx context.Context, w io.Writer, p *stages.Pipeline) error {
	if errPlanning != nil {
		return errPlanning
	}
	plan := stages.Bind(p, planning.In(p), func(_ context.Context, c *crossing) (*crossing, error) { return c, nil })
	c, err := plan(ctx, &crossing{route: "to the island", passengers: 12})
	if err != nil {
		return err
	}
	l, _ := planning.In(p).Stats().Link("pilot.crossing_pre_plan")
	fmt.Fprintf(w, "planned: %s, with %d passengers\nfields that the pilot may not write, put back: %d\n", c.route, c.passengers, l.Discarded)
	return nil
}
