package main

import (
	"context"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The arguments of the tools. The model is shown schemas that are derived from them, and what does not fit is refused.
type (
	tideArgs struct {
		Harbour string `json:"harbour" jsonschema:"which harbour" enum:"north,south"`
	}
	clearanceArgs struct {
		Depth   float64 `json:"depth" jsonschema:"of the water, in metres"`
		Draught float64 `json:"draught" jsonschema:"of the boat, in metres"`
	}
	finishArgs struct {
		Answer string `json:"answer"`
	}
)

type tideTable struct {
	High  string  `json:"high"`
	Depth float64 `json:"depth"`
	By    string  `json:"by"`
}

// toolbox has typed functions as tools. The last one ends the loop: it is marked as control flow.
func toolbox() (tools []stages.Callable, err error) {
	add := func(t stages.Callable, e error) {
		tools = append(tools, t)
		if err == nil {
			err = e
		}
	}
	add(session.NewTool("tide", "Time of the next high water, with its depth.",
		func(_ context.Context, a tideArgs) (tideTable, error) {
			if a.Harbour == "south" {
				return tideTable{}, fmt.Errorf("no table for the %s harbour", a.Harbour)
			}
			return tideTable{High: "06:40", Depth: 4.2, By: "ines@harbour.example"}, nil
		}, session.ToolTimeout(time.Second)))
	add(session.NewTool("clearance", "Water below the keel, in metres.",
		func(_ context.Context, a clearanceArgs) (string, error) {
			return fmt.Sprintf("%.1f m", a.Depth-a.Draught), nil
		}))
	add(session.NewTool("finish", "Gives the answer.",
		func(_ context.Context, a finishArgs) (string, error) { return a.Answer, nil }, session.ControlFlow()))
	return tools, err
}
