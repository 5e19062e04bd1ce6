package stages

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
)

// ranked is a plugin with priorities of its own.
type ranked struct {
	pass
	own, hook int
}

type pass struct{ name string }

func (p *pass) Name() string { return p.name }

func (*pass) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error) { return x, nil }

func (*pass) OnToolPostInvoke(_ context.Context, x *Tool) (*Tool, error) { return x, nil }

func (r *ranked) Priority() int { return r.own }

func (r *ranked) HookOptions(hook string) []chain.Option {
	if hook == "tool_pre_invoke" && r.hook != 0 {
		return []chain.Option{chain.Priority(r.hook)}
	}
	return nil
}

func TestPriorityResolution(t *testing.T) {
	plain := func() any { return &pass{"x"} }
	own := func() any { return &ranked{pass{"x"}, 40, 0} }
	hook := func() any { return &ranked{pass{"x"}, 40, 30} }
	link := func(opts ...chain.Option) any { return chain.Before("x.tool_pre_invoke", Unchanged[*Tool], opts...) }
	for _, c := range []struct {
		name   string
		plugin any
		want   int
	}{
		{"50 where nobody says anything", plain(), 50},
		{"then the plugin's own", own(), 40},
		{"then the hook's own", hook(), 30},
		{"then the registration", With(hook(), chain.Priority(20)), 20},
		{"for one hook rather than for all", With(hook(), chain.Priority(20)).Hook("tool_pre_invoke", chain.Priority(19)), 19},
		{"for one hook rather than for all, whatever comes first", With(hook()).Hook("tool_pre_invoke", chain.Priority(19)).With(chain.Priority(20)), 19},
		{"then the group", Group("g", With(hook(), chain.Priority(20)).Hook("tool_pre_invoke", chain.Priority(19))).With(chain.Priority(10)), 10},
		{"then the outermost group", Group("a", Group("b", Group("c", hook()).With(chain.Priority(3))).With(chain.Priority(2))).With(chain.Priority(1)), 1},
		{"of groups, the outermost with a priority", Group("a", Group("b", Group("c", hook()).With(chain.Priority(3))).With(chain.Priority(2))), 2},
		{"a group without a priority leaves its members alone", Group("a", Group("b", hook())), 30},
		{"a group may say something about one hook", Group("a", hook()).Hook("tool_pre_invoke", chain.Priority(7)), 7},
		{"the same for a function", link(), 50},
		{"a function's own", link(chain.Priority(30)), 30},
		{"a function's registration", With(link(chain.Priority(30)), chain.Priority(20)), 20},
		{"a function in a group", Group("g", With(link(chain.Priority(30)), chain.Priority(20))).With(chain.Priority(10)), 10},
		{"a function by hook", Group("g", link(chain.Priority(30))).Hook("tool_pre_invoke", chain.Priority(10)), 10},
		{"a function that is placed", Group("g", At("tool", chain.Before("x.tool_pre_invoke", Unchanged[*Tool], chain.Priority(30)))).With(chain.Priority(10)), 10},
	} {
		t.Run("behaviour 11: "+c.name, func(t *testing.T) {
			p := pipeline(t)
			if _, err := p.Register(t.Context(), c.plugin); err != nil {
				t.Fatal(err)
			}
			links := p.Tool.Explain().Links
			at := slices.IndexFunc(links, func(l chain.PlannedLink) bool { return l.Name == "x.tool_pre_invoke" })
			if at < 0 || links[at].Priority != c.want {
				t.Errorf("got %+v, want priority %d", links, c.want)
			}
		})
	}
}

func TestGroupsKeepTheirOrder(t *testing.T) {
	p := pipeline(t)
	named := func(name string) any { return chain.Before(name, Unchanged[*Tool], chain.Priority(len(name))) }
	r, err := p.Register(t.Context(), Group("outer", named("long name"), Group("inner", named("b"), &pass{"c"}), named("d")).With(chain.Priority(5)), named("a"))
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, l := range p.Tool.Explain().Links {
		if l.Ring == "in" {
			order = append(order, l.Name)
		}
	}
	if want := []string{"a", "long name", "b", "c.tool_pre_invoke", "d"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if l := r.Links()[1]; l.Link != "b" || !slices.Equal(l.Groups, []string{"outer", "inner"}) || l.Hook != "tool_pre_invoke" || l.Plugin != "" {
		t.Errorf("got %+v", l)
	}
}

func TestEntryIsImmutable(t *testing.T) {
	base := With(&pass{"x"}, chain.Priority(9))
	a := base.With(chain.Priority(1)).Hook("tool_pre_invoke", chain.Priority(2)).Writable("tool_pre_invoke")
	_ = base.Hook("tool_pre_invoke", chain.Priority(3))
	for want, e := range map[int]Entry{9: base, 2: a} {
		p := pipeline(t)
		if _, err := p.Register(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if got := p.Tool.Explain().Links[0].Priority; got != want {
			t.Errorf("priority %d, want %d", got, want)
		}
	}
}

func TestEntryMistakes(t *testing.T) {
	same := &pass{"same"}
	look := chain.Before("look", Unchanged[*Tool])
	for name, c := range map[string]struct {
		entry any
		want  string
	}{
		"an empty entry":                      {Entry{}, "an empty Entry"},
		"options for an empty entry":          {Entry{}.With(chain.Priority(1)), "an empty Entry"},
		"a group without a name":              {Group("", look), "needs a name"},
		"a group without members":             {Group("g"), `group "g" has no members`},
		"nothing at a chain":                  {At[*Tool]("tool"), `At("tool") without links`},
		"an unknown chain":                    {At("tol", look), "no chain is called \"tol\" (did you mean tool?)"},
		"a chain with another payload":        {At("generation", look), "it has the payload *stages.Tool, chain generation has *stages.Generation"},
		"an adapter's link":                   {chain.Before("look", Unchanged[*Adapter]), "adapter_load and adapter_unload: say which one is meant with At"},
		"a link of no stage":                  {chain.Before("look", Unchanged[int]), "no stage of a Pipeline has the payload"},
		"a hook that the plugin has not":      {With(same).Hook("generation_pre_call"), `options for "generation_pre_call", but there is no link at that hook`},
		"a hook that is misspelled":           {With(same).Hook("tool_pre_invok"), "did you mean tool_pre_invoke?"},
		"a field that is not writable there":  {With(same).Writable("tool_pre_invoke", "output"), `"output" is not writable at tool_pre_invoke`},
		"a field that is misspelled":          {With(same).Writable("tool_pre_invoke", "argument"), "writable there: name, arguments"},
		"a field that nobody may write":       {With(chain.Observe("x", func(context.Context, chain.Outcome[*Tool]) {})).Writable("observe_tool", "name"), "writable there: nothing"},
		"one plugin twice":                    {Group("g", same, Group("h", same)), `plugin "same" is given twice`},
		"two plugins of one name":             {Group("g", &pass{"same"}, &pass{"same"}), `chain tool: two links are called "same.tool_post_invoke"`},
		"two links of one name":               {Group("g", look, look), "two links are called \"look\""},
		"an option that does not fit":         {With(look, chain.Outer()), "Outer is for Around links"},
		"a mode that does not fit":            {With(chain.Observe("x", func(context.Context, chain.Outcome[*Tool]) {}), chain.InMode(chain.Audit)), "an observer takes sequential"},
		"a nil function":                      {chain.Before[*Tool]("x", nil), "nil function"},
		"constraints that contradict":         {Group("g", chain.Before("a", Unchanged[*Tool], chain.RunsBefore("b")), chain.Before("b", Unchanged[*Tool], chain.RunsBefore("a"))), "wait for each other"},
		"a constraint against the priorities": {Group("g", With(look, chain.RunsAfter("late")), chain.Before("late", Unchanged[*Tool], chain.Priority(60))), "its priority comes later"},
	} {
		t.Run("behaviour 4: "+name, func(t *testing.T) {
			p := pipeline(t)
			_, err := p.Register(t.Context(), chain.Before("companion", Unchanged[*Fault]), c.entry)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if p.Active() {
				t.Error("something of it was registered")
			}
			if len(instances.live) > 0 {
				t.Errorf("plugins are left: %v", instances.live)
			}
		})
	}
}

func TestEveryMistakeIsReported(t *testing.T) {
	_, err := pipeline(t).Register(t.Context(), nil, Group("g"), &hookless{})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("error %v", err)
	}
}

func TestNarrowing(t *testing.T) {
	toolCall := NewTool(Meta{}, ToolFields{Name: "search", Arguments: JSON(`{"q":1}`)})
	both := func(_ context.Context, x *Tool) (*Tool, error) {
		return x.WithName("shell").WithArguments(JSON(`{}`)), nil
	}
	around := func(next chain.Handler[*Tool]) chain.Handler[*Tool] {
		return func(ctx context.Context, x *Tool) (*Tool, error) {
			x, _ = both(ctx, x)
			out, err := next(ctx, x)
			if err != nil {
				return nil, err
			}
			return out.WithOutput(`"changed"`), nil
		}
	}
	for _, c := range []struct {
		name   string
		plugin any
		want   string
		logged []string
	}{
		{"everything that the hook point allows", chain.Before("x", both), "shell {} 1", nil},
		{"one field", With(chain.Before("x", both)).Writable("tool_pre_invoke", "arguments"), "search {} 1", []string{"name"}},
		{"none", With(chain.Before("x", both)).Writable("tool_pre_invoke"), `search {"q":1} 1`, []string{"name", "arguments"}},
		{"a group can only take away", Group("g", With(chain.Before("x", both)).Writable("tool_pre_invoke", "name")).Writable("tool_pre_invoke", "arguments"), `search {"q":1} 1`, []string{"arguments", "name"}},
		{"so can a second limit", With(chain.Before("x", both)).Writable("tool_pre_invoke", "name").Writable("tool_pre_invoke", "arguments"), `search {"q":1} 1`, []string{"arguments", "name"}},
		{"a struct", With(&renamer{}).Writable("tool_pre_invoke", "arguments"), "search {} 1", []string{"name"}},
		{"an Around on both sides", With(chain.Around("x", around)).Writable("wrap_tool", "arguments"), "search {} 1", []string{"name", "output"}},
		{"an Around on one side", With(chain.Around("x", around)).Writable("wrap_tool", "output"), `search {"q":1} "changed"`, []string{"name", "arguments"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			p := pipeline(t, PipelineConfig{Logger: zap.New(core)})
			if _, err := p.Register(t.Context(), c.plugin); err != nil {
				t.Fatal(err)
			}
			out, err := p.Tool.Then(func(_ context.Context, x *Tool) (*Tool, error) {
				return x.Done(ToolResult{Output: `1`}), nil
			})(t.Context(), toolCall)
			if err != nil {
				t.Fatal(err)
			}
			if got := out.Name() + " " + string(out.Arguments()) + " " + out.Output(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			var logged []string
			for _, l := range logs.All() {
				logged = append(logged, strs(l.ContextMap()["fields"])...)
			}
			if !slices.Equal(logged, c.logged) {
				t.Errorf("logged %v, want %v", logged, c.logged)
			}
			if n := p.Tool.Stats().Links[0].Discarded; n != int64(len(c.logged)) {
				t.Errorf("%d discarded, want %d", n, len(c.logged))
			}
		})
	}
}

type renamer struct{}

func (*renamer) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error) {
	return x.WithName("shell").WithArguments(JSON(`{}`)), nil
}
