package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// full uses every key of the file once.
const full = `# every key
settings:
  defaults:
    mode: sequential
    priority: 40
    on_error: fail
    breaker: {trip_after: 4}
  timeout: 2s
  dispatcher: {workers: 2, queue: 10, overflow: run_inline}
plugins:
  - name: first
    kind: tag
    mode: enforce_ignore_error
    priority: 10
    timeout: 300ms
    breaker: {trip_after: 3, timeout: 5s, max_requests: 2, interval: 1m}
    hooks:
      generation_pre_call: {runs_before: [nobody_else], counted: true, outer: false, timed: false}
      generation_post_call:
        mode: transform
        priority: 20
        on_error: ignore
        timeout: 1s
        breaker: {trip_after: 2}
        runs_after: [nobody]
        writable: [text]
    conditions:
      - model: "gpt-*"
        provider: "p/?"
        user: "*"
        labels: {env: prod}
        metadata: {tier: "1"}
      - component_kind: Query
        component_name: "n*"
    config:
      text: "1"
      times: 3
groups:
  - name: security
    priority: 5
    groups:
      - name: inner
        mode: audit
        on_error: ignore
        plugins:
          - {name: second, kind: tag, config: {text: "2", block: true}}
overrides:
  - {link: generation/code, mode: audit, priority: 60, on_error: ignore, timeout: 1s}
  - {link: other, off: true}
`

// 42: every field of the file arrives in the plan.
func TestEveryField(t *testing.T) {
	e := newEnv(t)
	for _, name := range []string{"code", "other"} {
		if _, err := e.p.Generation.Use(chain.Before(name, stages.Unchanged[*stages.Generation])); err != nil {
			t.Fatal(err)
		}
	}
	c := e.open(full)
	plan := e.p.Generation.Explain()
	want := map[string]string{
		"second.generation_pre_call":  "audit 5 ignore 2s",
		"second.generation_post_call": "audit 5 ignore 2s",
		"first.generation_pre_call":   "sequential 10 ignore 300ms",
		"first.generation_post_call":  "transform 20 ignore 1s",
		"code":                        "audit 60 ignore 1s",
		"other":                       "disabled 50 ignore 0s",
	}
	for _, l := range plan.Links {
		got := strings.Join([]string{l.Mode.String(), strconv.Itoa(l.Priority), l.OnFailure.String(), l.Timeout.String()}, " ")
		if got != want[l.Name] {
			t.Errorf("%s: got %s, want %s", l.Name, got, want[l.Name])
		}
		delete(want, l.Name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v\n%s", want, plan)
	}
	if text := plan.String(); !strings.Contains(text, `mode "enforce_ignore_error" means sequential`) || !strings.Contains(text, `"nobody"`) {
		t.Error(text)
	}
	if d := e.p.Dispatcher().Config(); d.Workers != 2 || d.Queue != 10 || d.Overflow != chain.RunInline {
		t.Errorf("%+v", d)
	}
	if g := c.Links()[2].Groups; strings.Join(g, "/") != "security/inner" {
		t.Errorf("groups %q", g)
	}
	for _, tc := range []struct {
		meta stages.Meta
		want string
	}{
		{stages.Meta{}, "x"},
		{stages.Meta{UserID: "u", Labels: stages.MapOf(map[string]string{"env": "prod"}), Metadata: stages.MapOf(map[string]any{"tier": 1})}, "1x"},
		{stages.Meta{UserID: "u", Labels: stages.MapOf(map[string]string{"env": "dev"}), Metadata: stages.MapOf(map[string]any{"tier": 1})}, "x"},
		{stages.Meta{ComponentKind: "Query", ComponentName: "nn"}, "1x"},
		{stages.Meta{ComponentKind: "Query", ComponentName: "m"}, "x"},
	} {
		if got, err := e.call(tc.meta); err != nil || got != tc.want {
			t.Errorf("%+v: got %q, %v", tc.meta, got, err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if d := e.p.Dispatcher().Config(); d.Workers != chain.DefaultWorkers {
		t.Errorf("after Close %+v", d)
	}
	if e.made[0].closes.Load() != 1 || len(e.p.Generation.Explain().Links) != 2 {
		t.Error("Close left something")
	}
}

// 42: what is wrong is an error with file, line, column, the line and a hint, and the running plan stays.
func TestErrors(t *testing.T) {
	const good = "plugins:\n  - {name: good, kind: tag, config: {text: g}}\n"
	for _, tc := range []struct {
		name, text, at, want string
	}{
		{"unknown key", "plugin:\n", "1:1", `unknown key "plugin" in the file (did you mean "plugins"?)`},
		{"unknown mode", "plugins:\n- name: a\n  kind: tag\n  mode: enfore\n", "4:9", `unknown mode "enfore" (did you mean "enforce"?)`},
		{"unknown kind", "plugins:\n- {name: a, kind: tga}", "2:19", `unknown kind "tga" (did you mean "tag"?)`},
		{"unknown hook", "plugins:\n- name: a\n  kind: tag\n  hooks:\n    generation_precall: {priority: 1}\n", "5:5", "generation_pre_call"},
		{"hook that the plugin has not", "plugins:\n- name: a\n  kind: tag\n  hooks:\n    tool_pre_invoke: {priority: 1}\n", "5:5", "no link at that hook"},
		{"field that is not writable", "plugins:\n- name: a\n  kind: tag\n  hooks:\n    generation_pre_call: {writable: [history]}\n", "5:38", `"history" is not writable`},
		{"duplicate name", "plugins:\n- {name: a, kind: tag}\n- {name: a, kind: tag}\n", "3:10", `the name "a" is taken in line 2`},
		{"duplicate key", "plugins:\n- name: a\n  kind: tag\n  kind: tag\n", "4:3", `mapping key "kind" already defined`},
		{"no name", "plugins:\n- kind: tag\n", "2:3", "has no name"},
		{"wrong type", "plugins:\n- {name: a, kind: tag, priority: high}\n", "2:34", `priority must be a whole number, it is "high"`},
		{"wrong duration", "settings: {timeout: 5}\n", "1:21", "timeout must be a duration, it is 5 (such as 500ms, 2s or 1m)"},
		{"list for a mapping", "settings: [1]\n", "1:11", "settings must be a mapping"},
		{"mapping for a list", "plugins: {a: b}\n", "1:11", "plugins must be a list"},
		{"isolation", "plugins:\n- name: a\n  kind: tag\n  isolation: process\n", "4:3", "reserved"},
		{"unknown setting", "plugins:\n- name: a\n  kind: tag\n  config:\n    txt: a\n", "5:5", "txt"},
		{"setting of a wrong type", "plugins:\n- name: a\n  kind: tag\n  config:\n    times: [1]\n", "5:", "config of plugin \"a\""},
		{"inline secret", "plugins:\n- name: a\n  kind: tag\n  config:\n    key: hunter2\n", "5:", "a secret is given as {env: NAME}"},
		{"secret that is not set", "plugins:\n- name: a\n  kind: tag\n  config:\n    key: {env: MAILLON_NO_SUCH}\n", "", "MAILLON_NO_SUCH of a secret is not set"},
		{"wrong mode for the kind of link", "overrides:\n- {link: code, mode: concurrent}\n", "2:10", "an Around takes"},
		{"unknown chain", "overrides:\n- {link: generatoin/code, off: true}\n", "2:10", "generation"},
		{"empty override", "overrides:\n- {link: code}\n", "2:4", "changes nothing"},
		{"empty group", "groups:\n- name: g\n", "2:3", `group "g" has no plugins`},
		{"anchor", "plugins: &a []\n", "1:", "anchors, aliases and merge keys are not supported"},
		{"no YAML", "plugins: [\n", "1:", ""},
		{"two documents", "plugins: []\n---\nplugins: []\n", "2:1", "a second document"},
		{"after the end", "plugins: []\n...\nplugins: [x]\n", "2:1", "something after the end of the document"},
		{"fewer cases than none", "plugins:\n- {name: a, kind: tag, keep_cases: -1}\n", "2:36", "keep_cases must be 0 or more"},
		{"candidate for itself", "plugins:\n- {name: a, kind: tag, candidate_for: a.generation_pre_call}\n", "2:10", "CandidateFor names the link itself"},
		{"no condition", "plugins:\n- {name: a, kind: tag, conditions: []}\n", "2:36", "no condition would ever hold"},
		{"empty condition", "plugins:\n- {name: a, kind: tag, conditions: [{tool: x}, {labels: {}}]}\n", "2:49", "a condition that says nothing"},
		{"contradiction", "plugins:\n- {name: a, kind: tag, priority: 1, runs_after: [b.generation_pre_call]}\n- {name: b, kind: tag, priority: 2}\n", "2:10", "its priority comes later"},
		{"zero breaker", "settings: {defaults: {breaker: {trip_after: 0}}}\n", "1:45", "trip_after must be above 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnv(t)
			if _, err := e.p.Generation.Use(chain.Around("code", func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return next })); err != nil {
				t.Fatal(err)
			}
			c := e.open(good)
			before := e.p.Explain().String()
			e.write(tc.text)
			err := c.Reload(t.Context())
			at, ok := errors.AsType[*config.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(at.Error(), e.path+":"+tc.at) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant it at %s: %s", err, tc.at, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the secret is in the error")
			}
			if now := e.p.Explain().String(); now != before {
				t.Errorf("the plan changed:\n%s", now)
			}
			if got, err := e.call(stages.Meta{}); got != "gx" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if e.log.FilterMessageSnippet("not taken").Len() != 1 {
				t.Error("nothing in the log")
			}
			e.write(good)
			if err := c.Reload(t.Context()); err != nil {
				t.Errorf("the good file again: %v", err)
			}
		})
	}
}

func TestErrorShowsTheLine(t *testing.T) {
	e := newEnv(t)
	_, err := config.PreviewBytes("m.yaml", []byte("plugins:\n  - name: a\n    kind: tag\n    mode: enfore # oh\n"), e.kinds)
	want := "m.yaml:4:11: unknown mode \"enfore\" (did you mean \"enforce\"?)\n  4 |     mode: enfore # oh\n    |           ^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// An instance stays where its kind and settings do, with its breaker and counts; what changed is made anew.
func TestReloadKeepsWhatDidNotChange(t *testing.T) {
	e := newEnv(t)
	c := e.open("plugins:\n- {name: a, kind: tag, config: {text: a}}\n- {name: b, kind: tag, config: {text: b, block: true}, mode: audit}\n")
	if got, err := e.call(stages.Meta{}); got != "bax" && got != "ax" || err != nil {
		t.Fatal(got, err)
	}
	e.write("plugins:\n- {name: a, kind: tag, config: {text: c}}\n- {name: b, kind: tag, config: {text: b, block: true}, priority: 3}\n")
	if err := c.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(e.made) != 3 || e.made[0].closes.Load() != 1 || e.made[1].closes.Load() != 0 || e.made[1].inits.Load() != 1 || e.made[2].inits.Load() != 1 {
		t.Errorf("%d plugins were made", len(e.made))
	}
	if _, err := e.call(stages.Meta{}); err == nil {
		t.Error("b does not block")
	}
	if l, _ := e.p.Generation.Stats().Link("b.generation_pre_call"); l.WouldBlocks != 1 || l.Blocks != 1 {
		t.Errorf("the counts were lost: %+v", l)
	}
	logged := e.log.FilterMessage("config: reloaded").All()
	if len(logged) != 1 || !strings.Contains(logged[0].ContextMap()["diff"].(string), "~ generation: process/b.generation_pre_call (mode: audit -> sequential, priority: 50 -> 3") {
		t.Errorf("%v", logged)
	}
}

// Secrets come from the environment or a file, and show nowhere; a new value makes the plugin anew.
func TestSecrets(t *testing.T) {
	t.Setenv("MAILLON_TEST_KEY", " hunter2\n")
	e := newEnv(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "plugins:\n- {name: a, kind: tag, config: {key: {env: MAILLON_TEST_KEY}}}\n- {name: b, kind: tag, config: {key: {file: " + file + "}}}\n"
	c := e.open(text)
	if e.made[0].Key.Reveal() != "hunter2" || e.made[1].Key.Reveal() != "from a file" {
		t.Errorf("%q, %q", e.made[0].Key.Reveal(), e.made[1].Key.Reveal())
	}
	t.Setenv("MAILLON_TEST_KEY", "new")
	if err := c.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(e.made) != 3 || e.made[2].Key.Reveal() != "new" {
		t.Error("the new secret was not taken")
	}
}

func TestPreviewAndItsDiff(t *testing.T) {
	e := newEnv(t)
	preview := func(text string) stages.Plans {
		p, err := config.PreviewBytes("m.yaml", []byte(text), e.kinds)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	d := preview("plugins:\n- {name: a, kind: tag}\n").Diff(preview("plugins:\n- {name: a, kind: tag, mode: audit}\n")).String()
	if !strings.Contains(d, "~ generation: process/a.generation_pre_call (mode: sequential -> audit") || e.made[0].inits.Load() != 0 {
		t.Error(d)
	}
	if text := preview("").String(); text != "no links\n" {
		t.Error(text)
	}
}

// What may be a plugin's own setting shows in no error, whatever else is wrong in its line.
func TestErrorsHideSettings(t *testing.T) {
	in := func(config string) string { return "plugins:\n- name: a\n  kind: tag\n" + config }
	for name, text := range map[string]string{
		"no YAML":                in("  config:\n    key: hunter2: x\n"),
		"an open quote":          in("  config:\n    key: \"hunter2\n"),
		"an open brace":          in("  config: {key: hunter2\n"),
		"a tag":                  in("  config:\n    key: !x hunter2\n"),
		"an anchor":              in("  config:\n    key: &x hunter2\n"),
		"an alias":               in("  config:\n    key: *hunter2\n"),
		"a key that is twice":    in("  config:\n    key: a\n    key: hunter2\n"),
		"a zero byte":            in("  config:\n    key: hunter2\x00\n"),
		"too deep":               in("  config:\n    key: hunter2" + strings.Repeat("[", 30) + "\n"),
		"two documents":          "plugins: []\n--- {key: hunter2}\n",
		"a mistake before it":    "plugins:\n- {name: a, kind: tag, mode: enfore, config: {key: hunter2}}\n",
		"no name":                "plugins:\n- {kind: tag, config: {key: hunter2}}\n",
		"a misspelled config":    "plugins:\n- {name: a, kind: tag, confg: {key: hunter2}}\n",
		"outside of config":      in("  key: hunter2\n"),
		"in a group":             "groups:\n- name: g\n  config: {key: hunter2}\n",
		"after too many of them": "plugins: [" + strings.Repeat("{}, ", 50) + "{name: a, kind: tag, config: {key: hunter2}}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.PreviewBytes("m.yaml", []byte(text), newEnv(t).kinds)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A candidate is rolled out by the file alone: what it would do otherwise is counted, and kept as the file says.
func TestCandidateInTheFile(t *testing.T) {
	for _, tc := range []struct {
		name, keep      string
		cases, payloads int
	}{
		{"by default", "", 2, 0},
		{"one case", ", keep_cases: 1", 1, 0},
		{"none", ", keep_cases: 0, case_payloads: true", 0, 0},
		{"with payloads", ", case_payloads: true", 2, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnv(t)
			e.open("plugins:\n- {name: now, kind: tag}\n- name: next\n  kind: tag\n  config: {block: true}\n  hooks:\n" +
				"    generation_pre_call: {mode: audit, candidate_for: now.generation_pre_call" + tc.keep + "}\n")
			for range 2 {
				if _, err := e.call(stages.Meta{}); err != nil {
					t.Fatal(err)
				}
			}
			l, _ := e.p.Generation.Stats().Link("next.generation_pre_call")
			if l.Disagreements != 2 {
				t.Errorf("%+v", l)
			}
			cases := e.p.Generation.Stats().Cases["process/next.generation_pre_call"]
			payloads := 0
			for _, c := range cases {
				if c.Payload != nil {
					payloads++
				}
				if c.Candidate != "block tag" || c.Incumbent != "allow" {
					t.Errorf("%+v", c)
				}
			}
			if len(cases) != tc.cases || payloads != tc.payloads {
				t.Errorf("%d cases, %d payloads", len(cases), payloads)
			}
		})
	}
}

// An on_error beats what an older name of a mode says of errors, wherever it stands, and the note about the name stays true.
func TestOlderModeBesideOnError(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"alone":      {"plugins:\n- {name: a, kind: tag, mode: enforce_ignore_error}\n", "ignore"},
		"beside it":  {"plugins:\n- {name: a, kind: tag, mode: enforce_ignore_error, on_error: fail}\n", "fail"},
		"of a hook":  {"plugins:\n- name: a\n  kind: tag\n  mode: enforce_ignore_error\n  hooks:\n    generation_pre_call: {on_error: fail}\n", "fail"},
		"of a group": {"groups:\n- name: g\n  on_error: fail\n  plugins:\n  - {name: a, kind: tag, mode: enforce_ignore_error}\n", "fail"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.open(tc.text)
			l := e.p.Generation.Explain().Links[0]
			if l.OnFailure.String() != tc.want {
				t.Errorf("on failure %s, want %s", l.OnFailure, tc.want)
			}
			if note := strings.Join(l.Notes, ", "); note != `mode "enforce_ignore_error" means sequential, and on_error ignore where nothing stronger is said` {
				t.Errorf("note %q", note)
			}
		})
	}
}
