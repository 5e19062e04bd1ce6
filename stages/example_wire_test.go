package stages_test

import (
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// A guard that runs as a program of its own gets a payload as JSON and answers with a patch.
func ExampleApplyPatch() {
	const hook = "tool_post_invoke"
	live := stages.NewTool(stages.Meta{RequestID: "r_1"}, stages.ToolFields{Name: "whois"}).
		Done(stages.ToolResult{Output: "ada@example.org", Success: true})

	b, err := stages.Encode(hook, live)
	if err != nil {
		panic(err)
	}

	// In the other program:
	there, err := stages.DecodeAs[*stages.Tool](hook, b)
	if err != nil {
		panic(err)
	}
	fmt.Println("it sees:", there.Name(), there.Output())
	patch := []byte(`{"output": "[e-mail]", "success": false}`)

	// And back here:
	kept, discarded, err := stages.ApplyPatch(hook, live, patch)
	fmt.Println(kept.Output(), kept.Success(), discarded, err)

	_, _, err = stages.ApplyPatch(hook, live, []byte(`{"outputs": ""}`))
	fmt.Println(err)
	// Output:
	// it sees: whois ada@example.org
	// [e-mail] true [success] <nil>
	// stages: patch tool_post_invoke: the payload carries no field "outputs" (did you mean output?)
}
