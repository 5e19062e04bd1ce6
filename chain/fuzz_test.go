package chain

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// FuzzGuard plays the histories of TestGuardIsGobreaker and of TestGuardIsGobreakerWhenCallsOverlap from any bytes.
func FuzzGuard(f *testing.F) {
	randomBytes(77, 60, 30, func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			var tally diffTally
			h := decodeHistory(data)
			if d := h.run(&tally); d != "" {
				t.Fatalf("%s\nin the history %v", d, h)
			}
			if d := h.overlapping(data, &tally); d != "" {
				t.Fatalf("overlapping: %s\nin the history %v", d, h)
			}
		})
	})
}

// FuzzRegistration makes any sequence of Use, Remove, Replace and Reload in four scopes, and compares every step with
// regModel: whether it is accepted, what the order is in every scope, which breakers live on, and what a call then runs.
func FuzzRegistration(f *testing.F) {
	randomBytes(78, 60, 100, func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		play := newRegPlay(t, data)
		for step := 0; step < 40 && len(play.in) > 0; step++ {
			play.step(step)
		}
	})
}

// regLink is a link as the model sees it.
type regLink struct {
	name          string
	kind          Kind
	mode          Mode
	priority      int
	outer         bool
	trip          uint32
	before, after []string
	label         string // unique, written by the link when it runs
}

func (l regLink) String() string {
	return fmt.Sprintf("%s %q %s priority %d outer %v trip %d before %v after %v", l.kind, l.name, l.mode, l.priority, l.outer, l.trip, l.before, l.after)
}

// valid says whether the link is right in itself.
func (l regLink) valid() bool {
	switch {
	case l.name == "", l.mode > Disabled:
		return false
	case l.kind == KindAround:
		return l.mode == Sequential || l.mode == Audit || l.mode == Disabled
	case l.outer:
		return false
	case l.kind == KindObserve, l.kind == KindOnError:
		return l.mode == Sequential || l.mode == FireAndForget || l.mode == Disabled
	}
	return true
}

// place is what no constraint overrules: ring, phase, priority.
func (l regLink) place() [3]int {
	switch l.kind {
	case KindBefore:
		return [3]int{1, int(l.mode), l.priority}
	case KindAfter:
		return [3]int{3, int(l.mode), l.priority}
	case KindAround:
		if l.outer {
			return [3]int{0, 0, l.priority}
		}
		return [3]int{2, 0, l.priority}
	}
	return [3]int{4, 0, l.priority}
}

func (l regLink) compare(o regLink) int {
	a, b := l.place(), o.place()
	return slices.Compare(a[:], b[:])
}

// inline says that the link runs in its place in the order, on the caller's goroutine, in a call without an error.
func (l regLink) inline() bool {
	return l.kind != KindOnError && l.mode <= Audit && (l.kind != KindAround || l.mode == Sequential)
}

// regHandle is a registration in model and chain.
type regHandle struct {
	scope  int
	links  []regLink
	real   *Registration[*payload] // nil for what Reload registers
	listed bool                    // it was accepted at least once
	gone   bool
}

// regScope is one scope: its parent's index, and its registrations in order.
type regScope struct {
	parent int
	depth  int
	regs   []*regHandle
	reload *regHandle
	chain  *Chain[*payload]
	call   Handler[*payload]
}

// regPlay is a model and the chains that it describes.
type regPlay struct {
	t       *testing.T
	in      []byte
	scopes  []*regScope
	handles []*regHandle
	ran     *steps
	serial  int
	log     []string
}

func newRegPlay(t *testing.T, in []byte) *regPlay {
	t.Helper()
	p := &regPlay{t: t, in: in, ran: &steps{}}
	for _, parent := range []int{-1, 0, 0, 1} { // process, two sessions, a block in the first one
		s := &regScope{parent: parent}
		if parent < 0 {
			s.chain = New("fuzz", Config[*payload]{Dispatcher: NewDispatcher(DispatcherConfig{Workers: 1})})
		} else {
			c, err := p.scopes[parent].chain.Scope()
			must(t, err)
			s.chain, s.depth = c, p.scopes[parent].depth+1
		}
		s.reload = &regHandle{scope: len(p.scopes)}
		s.call = s.chain.Then(p.ran.hook("handler"))
		p.scopes = append(p.scopes, s)
	}
	return p
}

// take reads the next byte as a number below n; 0 at the end of the input.
func (p *regPlay) take(n int) int {
	if len(p.in) == 0 {
		return 0
	}
	b := p.in[0]
	p.in = p.in[1:]
	return int(b) % n
}

func (p *regPlay) takeNames() []string {
	names := []string{"a", "b", "c", "d", "e", "f", "nobody"}
	switch p.take(6) {
	case 0:
		return []string{names[p.take(len(names))]}
	case 1:
		return []string{names[p.take(len(names))], names[p.take(len(names))]}
	}
	return nil
}

func (p *regPlay) takeLink() regLink {
	p.serial++
	l := regLink{name: string(rune('a' + p.take(6))), priority: DefaultPriority}
	odd := p.take(32)
	switch p.take(8) {
	case 0, 1, 2:
		l.kind = KindBefore
	case 3, 4:
		l.kind = KindAround
	case 5:
		l.kind = KindAfter
	case 6:
		l.kind = KindObserve
	case 7:
		l.kind = KindOnError
	}
	if l.kind == KindAround {
		l.outer = odd%4 == 1
	}
	switch odd {
	case 31:
		l.name = ""
	case 30:
		l.mode = Disabled + 1
	case 29:
		l.outer = true
	case 28, 27, 26, 25, 24, 23:
		l.mode = Mode(odd - 23)
	case 22, 21:
		l.trip = 3
	case 20, 19, 18:
		l.priority = 10 * (odd - 15)
	}
	l.before, l.after = p.takeNames(), p.takeNames()
	l.label = fmt.Sprintf("%s#%d", l.name, p.serial)
	return l
}

func (p *regPlay) takeLinks() (links []regLink) {
	for range p.take(4) {
		links = append(links, p.takeLink())
	}
	return links
}

// build makes the link that l describes.
func (p *regPlay) build(l regLink) Link[*payload] {
	opts := []Option{Priority(l.priority), InMode(l.mode), TripAfter(l.trip), RunsBefore(l.before...), RunsAfter(l.after...)}
	if l.outer {
		opts = append(opts, Outer())
	}
	switch l.kind {
	case KindBefore:
		return Before(l.name, p.ran.hook(l.label), opts...)
	case KindAfter:
		return After(l.name, p.ran.hook(l.label), opts...)
	case KindAround:
		return Around(l.name, func(next Handler[*payload]) Handler[*payload] {
			return func(ctx context.Context, q *payload) (*payload, error) {
				p.ran.add(l.label)
				return next(ctx, q)
			}
		}, opts...)
	case KindObserve:
		return Observe(l.name, p.ran.observer(l.label), opts...)
	}
	return OnError(l.name, p.ran.observer(l.label), opts...)
}

// step makes one change on both sides and compares.
func (p *regPlay) step(n int) {
	t := p.t
	var h *regHandle
	var links []regLink
	var change func(made []Link[*payload]) error
	var what string
	switch op := p.take(8); {
	case op == 0 && len(p.handles) > 0:
		h = p.handles[p.take(len(p.handles))]
		p.log = append(p.log, fmt.Sprintf("%d: remove registration %p of scope %d", n, h, h.scope))
		h.real.Remove()
		h.gone, h.links = true, nil
		p.compare()
		return
	case op <= 2 && len(p.handles) > 0:
		what, h = "replace", p.handles[p.take(len(p.handles))]
		links, change = p.takeLinks(), func(made []Link[*payload]) error { return h.real.Replace(made...) }
	case op <= 4:
		what, h = "reload", p.scopes[p.take(len(p.scopes))].reload
		links, change = p.takeLinks(), func(made []Link[*payload]) error { return p.scopes[h.scope].chain.Reload(made...) }
	default:
		what, h = "use", &regHandle{scope: p.take(len(p.scopes))}
		p.handles = append(p.handles, h)
		links, change = p.takeLinks(), func(made []Link[*payload]) (err error) {
			h.real, err = p.scopes[h.scope].chain.Use(made...)
			return err
		}
	}
	p.log = append(p.log, fmt.Sprintf("%d: %s registration %p of scope %d: %v", n, what, h, h.scope, links))
	var made []Link[*payload]
	for _, l := range links {
		made = append(made, p.build(l))
	}
	guards := p.guards(h)
	wrong := p.wrong(h, links)
	err := change(made)
	if (err != nil) != (wrong != "") {
		t.Fatalf("%s\ngot error %v, the model says %q", strings.Join(p.log, "\n"), err, wrong)
	}
	if err != nil {
		if what == "use" { // there is no registration
			p.handles = p.handles[:len(p.handles)-1]
		}
		p.compare()
		return
	}
	old := h.links
	h.links = links
	if !h.listed {
		h.listed = true
		p.scopes[h.scope].regs = append(p.scopes[h.scope].regs, h)
	}
	p.compare()
	for name, g := range p.guards(h) {
		kept := slices.ContainsFunc(old, func(o regLink) bool {
			i := slices.IndexFunc(links, func(l regLink) bool { return l.name == name })
			return o.name == name && o.kind == links[i].kind && o.trip == links[i].trip
		})
		if before := guards[name]; kept != (before == g) {
			t.Fatalf("%s\nlink %s: the breaker was kept: %v, want %v", strings.Join(p.log, "\n"), name, before == g, kept)
		}
	}
}

// guards are those of a registration's links, by name.
func (p *regPlay) guards(h *regHandle) map[string]*guard {
	guards := map[string]*guard{}
	for _, n := range p.scopes[h.scope].chain.snap.Load().nodes {
		if slices.ContainsFunc(h.links, func(l regLink) bool { return l.name == n.name }) {
			guards[n.name] = n.g
		}
	}
	return guards
}

// seen is a link in one scope's view.
type regSeen struct {
	regLink
	depth int
	fresh bool
}

// view is what a scope sees, in order of ring, phase, priority, scope and registration, with links in the place of h's.
func (p *regPlay) view(scope int, h *regHandle, links []regLink) (all []regSeen) {
	for at := scope; at >= 0; at = p.scopes[at].parent {
		s := p.scopes[at]
		var here []regSeen
		for _, r := range s.regs {
			if r != h {
				for _, l := range r.links {
					here = append(here, regSeen{l, s.depth, false})
				}
			}
		}
		if h != nil && h.scope == at {
			for _, l := range links {
				here = append(here, regSeen{l, s.depth, true})
			}
		}
		all = append(here, all...)
	}
	slices.SortStableFunc(all, func(a, b regSeen) int {
		return cmp.Or(a.compare(b.regLink), cmp.Compare(a.depth, b.depth))
	})
	return all
}

// regGraph says which links must come before which, directly and over others, among links of equal rank. contradicts is
// about a pair that ring, phase or priority decides otherwise.
func regGraph(all []regSeen, contradicts func(first, second regSeen)) (direct, reach [][]bool) {
	direct, reach = make([][]bool, len(all)), make([][]bool, len(all))
	for i := range all {
		direct[i], reach[i] = make([]bool, len(all)), make([]bool, len(all))
	}
	need := func(first, second int) {
		switch c := all[first].compare(all[second].regLink); {
		case c > 0:
			contradicts(all[first], all[second])
		case c == 0:
			direct[first][second], reach[first][second] = true, true
		}
	}
	for i, a := range all {
		for j, b := range all {
			if i == j || a.mode == Disabled || b.mode == Disabled { // what does not run has no order
				continue
			}
			if slices.Contains(a.before, b.name) {
				need(i, j)
			}
			if slices.Contains(a.after, b.name) {
				need(j, i)
			}
		}
	}
	for k := range all {
		for i := range all {
			for j := range all {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	return direct, reach
}

// wrong says why links cannot take the place of h's, or "".
func (p *regPlay) wrong(h *regHandle, links []regLink) (why string) {
	for _, l := range links {
		if !l.valid() {
			return "invalid link " + l.label
		}
	}
	if h.gone {
		return "the registration was removed"
	}
	names := map[string]bool{}
	for _, r := range p.scopes[h.scope].regs {
		if r != h {
			for _, l := range r.links {
				names[l.name] = true
			}
		}
	}
	for _, l := range links {
		if names[l.name] {
			return "duplicate " + l.name
		}
		names[l.name] = true
	}
	all := p.view(h.scope, h, links)
	_, reach := regGraph(all, func(a, b regSeen) {
		if a.fresh || b.fresh {
			why = fmt.Sprintf("%s cannot run before %s", a.label, b.label)
		}
	})
	for i, s := range all {
		if s.fresh && reach[i][i] {
			why = s.label + " is in a cycle"
		}
	}
	return why
}

// compare checks the order in every scope, and what a call there runs.
func (p *regPlay) compare() {
	t := p.t
	for i, s := range p.scopes {
		fatalf := func(format string, a ...any) {
			t.Helper()
			t.Fatalf("%s\nscope %d: %s\n%s", strings.Join(p.log, "\n"), i, fmt.Sprintf(format, a...), s.chain.Explain())
		}
		base := p.view(i, nil, nil)
		order := p.explained(s, base, fatalf)
		p.checkOrder(base, order, fatalf)
		p.ran.take()
		if _, err := s.call(bg, &payload{}); err != nil {
			fatalf("the call failed: %v", err)
		}
		must(t, s.chain.Drain(bg))
		p.checkRun(order, fatalf)
	}
}

// explained is the order as Explain gives it.
func (p *regPlay) explained(s *regScope, base []regSeen, fatalf func(string, ...any)) (order []regSeen) {
	plan, stats := s.chain.Explain(), s.chain.Stats()
	if len(plan.Links) != len(base) || len(stats.Links) != len(base) {
		fatalf("%d links in Explain and %d in Stats, want %d", len(plan.Links), len(stats.Links), len(base))
	}
	if s.chain.Active() != (len(base) > 0) {
		fatalf("Active is %v with %d links", s.chain.Active(), len(base))
	}
	for k, l := range plan.Links {
		i := slices.IndexFunc(base, func(b regSeen) bool { return b.name == l.Name && scopeName(b.depth) == l.Scope })
		if i < 0 || slices.ContainsFunc(order, func(o regSeen) bool { return o.label == base[i].label }) {
			fatalf("%s/%s is not there, or twice", l.Scope, l.Name)
		}
		if b := base[i]; l.Kind != b.kind || l.Mode != b.mode || l.Priority != b.priority || stats.Links[k].Link != l.Name {
			fatalf("%+v, want %v", l, b)
		}
		order = append(order, base[i])
	}
	return order
}

// checkOrder says what the order must be, given the one without constraints.
func (p *regPlay) checkOrder(base, order []regSeen, fatalf func(string, ...any)) {
	at := map[string]int{}
	for i, o := range order {
		at[o.label] = i
	}
	direct, reach := regGraph(base, func(_, _ regSeen) {})
	touched := make([]bool, len(base)) // by a constraint that counts
	constraints, first, second := 0, 0, 0
	for i := range base {
		for j := range base {
			if direct[i][j] {
				touched[i], touched[j] = true, true
				constraints, first, second = constraints+1, i, j
			}
		}
	}
	for i, a := range base {
		for j, b := range base {
			switch inOrder := at[a.label] < at[b.label]; {
			case a.compare(b.regLink) < 0 && !inOrder:
				fatalf("%s must come before %s by its place", a.label, b.label)
			case direct[i][j] && !reach[j][i] && !inOrder:
				fatalf("%s must come before %s by a constraint", a.label, b.label)
			case i < j && a.compare(b.regLink) == 0 && !touched[i] && !touched[j] && !inOrder:
				fatalf("%s was registered before %s, and no constraint touches them", a.label, b.label)
			}
		}
	}
	if constraints != 1 {
		return
	}
	want := slices.Clone(base) // only the link that carries the one constraint moves, and just as far as it must
	if first > second {
		if slices.Contains(base[first].before, base[second].name) {
			l := want[first]
			want = slices.Insert(slices.Delete(want, first, first+1), second, l)
		} else {
			l := want[second]
			want = slices.Insert(slices.Delete(want, second, second+1), first, l)
		}
	}
	for i := range want {
		if want[i].label != order[i].label {
			fatalf("%s stands where %s should", order[i].label, want[i].label)
		}
	}
}

// checkRun compares what ran with the order.
func (p *regPlay) checkRun(order []regSeen, fatalf func(string, ...any)) {
	var want, other []string // inline, in order; and the others
	handler := math.MaxInt
	for _, o := range order {
		if o.place()[0] >= 3 && handler == math.MaxInt {
			handler = len(want)
			want = append(want, "handler")
		}
		switch {
		case o.mode == Disabled, o.kind == KindOnError:
		case o.inline():
			want = append(want, o.label)
		default:
			other = append(other, o.label)
		}
	}
	if handler == math.MaxInt {
		want = append(want, "handler")
	}
	var got, rest []string
	for _, label := range strings.Fields(p.ran.take()) {
		if slices.Contains(other, label) {
			rest = append(rest, label)
		} else {
			got = append(got, label)
		}
	}
	slices.Sort(other)
	slices.Sort(rest)
	if !slices.Equal(got, want) || !slices.Equal(rest, other) {
		fatalf("ran %v and, apart, %v; want %v and %v", got, rest, want, other)
	}
}
