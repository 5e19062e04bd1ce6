package config_test

import (
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// An override of a link that is not there may be a typing error: it is logged once, with the nearest name.
func TestInertOverridesAreLogged(t *testing.T) {
	e := newEnv(t)
	if _, err := e.p.Generation.Use(chain.Before("budget", stages.Unchanged[*stages.Generation])); err != nil {
		t.Fatal(err)
	}
	const wrong = "overrides:\n- {link: budget, priority: 3}\n- {link: bugdet, off: true}\n- {link: tool/budget, off: true}\n- {link: of_a_session, off: true}\n"
	told := func() (links []string) {
		for _, entry := range e.log.FilterMessageSnippet("has no effect").TakeAll() {
			m := entry.ContextMap()
			hint, _ := m["hint"].(string)
			links = append(links, m["link"].(string)+" "+hint)
		}
		e.log.TakeAll()
		return links
	}
	want := func(when string, links ...string) {
		t.Helper()
		if got := told(); strings.Join(got, "; ") != strings.Join(links, "; ") {
			t.Errorf("%s: told of %q, want %q", when, got, links)
		}
	}
	c := e.open(wrong)
	reload := func(text string) {
		t.Helper()
		e.write(text)
		if err := c.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want("at first", `bugdet did you mean "budget"?`, "tool/budget ", "of_a_session ")
	reload(wrong + "- {link: of_another, off: true}\n")
	want("with one more", "of_another ")
	reload("overrides:\n- {link: budget, off: true}\n")
	want("when it is right")
	reload(wrong)
	want("again", `bugdet did you mean "budget"?`, "tool/budget ", "of_a_session ")
}

// Open says what the file has changed, as a reload does.
func TestOpenLogsWhatItChanged(t *testing.T) {
	e := newEnv(t)
	e.open("plugins:\n- {name: a, kind: tag, mode: audit}\n")
	all := e.log.FilterMessage("config: opened").All()
	if len(all) != 1 {
		t.Fatalf("%d entries", len(all))
	}
	if diff := all[0].ContextMap()["diff"].(string); !strings.Contains(diff, "+ generation: process/a.generation_pre_call (before, audit, priority 50, on failure ignore)") {
		t.Error(diff)
	}
}
