package stages

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestWireDoc: the example of docs/wire.md is what it says it is.
func TestWireDoc(t *testing.T) {
	page, err := os.ReadFile("../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of JSON, want a payload and a patch", len(blocks))
	}
	payload, patch := blocks[0][1], blocks[1][1]
	tool, err := DecodeAs[*Tool]("tool_post_invoke", payload)
	if err != nil {
		t.Fatal(err)
	}
	if !sameTree(mustParse(t, string(payload)), mustParse(t, string(mustEncode(t, "tool_post_invoke", tool)))) {
		t.Errorf("it would be written as %s", mustEncode(t, "tool_post_invoke", tool))
	}
	kept, discarded, err := ApplyPatch("tool_post_invoke", tool, patch)
	if err != nil || discarded != nil || kept.Output() != "[e-mail]" {
		t.Errorf("the patch gives %q, discarded %v, %v", kept.Output(), discarded, err)
	}
	for _, kind := range []ErrorKind{ErrorViolation, ErrorCanceled, ErrorDeadline, ErrorPanic, ErrorOther} {
		if !strings.Contains(string(page), "`"+string(kind)+"`") {
			t.Errorf("the kind of error %s is not there", kind)
		}
	}
}
