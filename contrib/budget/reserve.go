package budget

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Codes of violations.
const (
	// CodeExceeded: the call does not fit into a limit. The details have the limit's name, its unit, its max, what is left,
	// what is needed, and retry_after_seconds where waiting helps.
	CodeExceeded = "budget_exceeded"
	CodeNoPrice  = "budget_no_price" // a limit on cost is for the model, and the price table does not have it
)

// reservation is what one attempt may take.
type reservation struct {
	id            string
	g             *stages.Generation // it is for this payload
	model         string
	price         Price
	input, output int64 // tokens
	bounded       bool  // the output is bounded by the payload's options
	limits        []*limit
	charges       []Charge // one for each limit
}

// ids are unique among processes.
type ids struct {
	prefix string
	serial atomic.Uint64
}

func (i *ids) next() string {
	return i.prefix + "." + strconv.FormatUint(i.serial.Add(1), 36)
}

func newPrefix() string { return rand.Text() }

// tries is how often a call is capped further because others were faster.
const tries = 8

// draft is a reservation for a payload, with the limits that are for its model and nothing in them yet; nil where there are none.
func (p *Plugin) draft(ctx context.Context, g *stages.Generation, force bool) (*reservation, error) {
	r := &reservation{model: modelOf(g), limits: make([]*limit, 0, len(p.limits)), charges: make([]Charge, 0, len(p.limits))}
	for _, l := range p.limits {
		if l.model == nil || l.model.MatchString(r.model) {
			r.limits = append(r.limits, l)
		}
	}
	if len(r.limits) == 0 {
		return nil, nil
	}
	if err := p.appraise(ctx, r, force); err != nil {
		return nil, err
	}
	k := keyOf(ctx, g)
	for _, l := range r.limits {
		c := l.charge(&k)
		c.Force = c.Force || force
		r.bounded = r.bounded || !c.Force
		r.charges = append(r.charges, c)
	}
	r.id, r.input = p.ids.next(), p.input(g)
	return r, nil
}

// reserve makes a reservation for an attempt, and the payload to go on with, which may be capped. Both are nil and the payload
// unchanged where no limit is for the model. With force nothing is blocked or capped.
func (p *Plugin) reserve(ctx context.Context, g *stages.Generation, force bool) (*stages.Generation, *reservation, error) {
	r, err := p.draft(ctx, g, force)
	if err != nil {
		return nil, nil, err
	}
	if r == nil {
		return g, nil, nil
	}
	asked := int64(g.ModelOptions().MaxTokens.Or(0)) // what is not positive means no bound to some backends
	r.output = min(asked, maxTokens)
	if asked <= 0 {
		r.output = p.maxOutput
	}
	least := min(r.output, MinOutput)
	for try := 1; ; try++ {
		for i, l := range r.limits {
			r.charges[i].Amount = l.amount(r.price, r.input, r.output)
		}
		balances, ok, err := p.store.Reserve(ctx, r.id, r.charges)
		if err != nil {
			return nil, nil, fmt.Errorf("budget: reserving: %w", err)
		}
		if ok {
			p.warn(ctx, r, balances)
			break
		}
		fits := r.fit(balances)
		if fits < least || try == tries {
			return nil, nil, r.block(balances)
		}
		r.output = fits
	}
	if r.bounded && r.output != asked {
		o := g.ModelOptions()
		o.MaxTokens = stages.Some(int(r.output))
		g = g.WithModelOptions(o)
	}
	r.g = g
	return g, r, nil
}

// appraise finds the price of the model. Without one a limit on cost blocks, or warns and does not count.
func (p *Plugin) appraise(ctx context.Context, r *reservation, force bool) error {
	costs := func(l *limit) bool { return l.unit == UnitCost }
	i := slices.IndexFunc(r.limits, costs)
	if i < 0 {
		return nil
	}
	var ok bool
	if r.price, ok = p.prices.Find(r.model); ok {
		return nil
	}
	hard := slices.IndexFunc(r.limits, func(l *limit) bool { return costs(l) && l.Action != Warn && !force })
	if hard >= 0 {
		return chain.Block("the model has no price, so that its cost cannot be limited", chain.Code(CodeNoPrice),
			chain.Details(map[string]any{"limit": r.limits[hard].Name, "model": r.model}))
	}
	stages.From(ctx).Logger().Warn("budget: the model has no price", zap.String("limit", r.limits[i].Name), zap.String("model", r.model))
	return nil
}

// amount is what tokens count in the limit's unit.
func (l *limit) amount(price Price, input, output int64) int64 {
	if l.unit == UnitCost {
		return price.most(input, output)
	}
	return input + output
}

// value is a number of the limit's unit for people: Money prints as what it is.
func (l *limit) value(n int64) any {
	if l.unit == UnitCost {
		return Money(n)
	}
	return n
}

// fit is the largest output that all limits would let through, -1 where one does not cap.
func (r *reservation) fit(balances []Balance) int64 {
	fits := r.output
	for i, l := range r.limits {
		left := balances[i].Left(l.max)
		switch {
		case r.charges[i].Force || r.charges[i].Amount <= left:
		case l.Action == Block:
			return -1
		case l.unit == UnitCost:
			fits = min(fits, r.price.affords(left, r.input))
		default:
			fits = min(fits, left-r.input)
		}
	}
	return fits
}

// block says which limit stopped a call: of several the one that lasts longest.
func (r *reservation) block(balances []Balance) error {
	worst := -1
	for i, l := range r.limits {
		if r.charges[i].Force || r.charges[i].Amount <= balances[i].Left(l.max) {
			continue
		}
		if end := balances[i].Resets; worst < 0 || end.IsZero() || !balances[worst].Resets.IsZero() && end.After(balances[worst].Resets) {
			worst = i
		}
	}
	l, b, needed := r.limits[worst], balances[worst], r.charges[worst].Amount
	details := map[string]any{
		"limit": l.Name, "unit": l.unit, "max": l.value(l.max), "needed": l.value(needed),
		"left": l.value(max(b.Left(l.max), 0)),
	}
	switch {
	case needed > l.max: // it never fits
	case !b.Resets.IsZero():
		details["retry_after_seconds"] = int64((time.Until(b.Resets) + time.Second - 1) / time.Second)
	}
	return chain.Block("the budget does not allow the call", chain.Code(CodeExceeded), chain.Details(details))
}

// warn logs which limits are exceeded, and let it happen.
func (p *Plugin) warn(ctx context.Context, r *reservation, balances []Balance) {
	for i, l := range r.limits {
		if b := balances[i]; r.charges[i].Amount > b.Left(l.max) {
			stages.From(ctx).Logger().Warn("budget: a limit is exceeded", zap.String("limit", l.Name), zap.String("unit", l.unit),
				zap.Int64("max", l.max), zap.Int64("left", max(b.Left(l.max), 0)), zap.Int64("needed", r.charges[i].Amount))
		}
	}
}

// covers says that a reservation is enough for a payload that it was not made for.
func (p *Plugin) covers(r *reservation, g *stages.Generation) bool {
	n, ok := g.ModelOptions().MaxTokens.Get()
	return modelOf(g) == r.model && (!r.bounded || ok && n > 0 && int64(n) <= r.output) && p.input(g) <= r.input
}
