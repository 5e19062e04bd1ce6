package debug

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Colors, as the numbers of ANSI escape sequences.
const (
	dim    = 2
	red    = 31
	green  = 32
	yellow = 33
)

func (p *Plugin) paint(color int, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + strconv.Itoa(color) + "m" + s + "\x1b[0m"
}

// numberKey is that of a request's number.
type numberKey struct{ p *Plugin }

// tag says which session and request a line belongs to.
func (p *Plugin) tag(ctx context.Context, m stages.Meta) string {
	var n any = "-"
	if r := stages.From(ctx); r.ID() != "" {
		n = r.State().Update(numberKey{p}, func(old any) any {
			if old != nil {
				return old
			}
			return p.requests.Add(1)
		})
	}
	id := name(m.SessionID[:min(len(m.SessionID), 4)])
	if id == "" {
		id = "----"
	}
	tag := fmt.Sprintf("%s #%v", id, n)
	h := fnv.New32a()
	_, _ = io.WriteString(h, tag)
	return p.paint(31+int(h.Sum32()%6), tag)
}

// level is how far in the lines of a stage stand.
var level = map[string]int{"sampling": 1, "generation": 2, "tool": 2, "validation": 2, "repair": 2}

// line writes one. What stands in it was made harmless before.
func (p *Plugin) line(ctx context.Context, m stages.Meta, stage string, color int, mark, text string) {
	in := level[stage] + 3*max(0, stages.From(ctx).Depth()-1)
	label := stage
	if i := strings.LastIndexByte(m.CorrelationID, '.'); i >= 0 && level[stage] > 1 { // several may run at once
		label += " " + name(m.CorrelationID[i+1:])
	}
	p.out.add(fmt.Sprintf("%s %s%s %s%s\n", p.tag(ctx, m), strings.Repeat("  ", in), p.paint(color, mark), label, text))
}

func (p *Plugin) begin(ctx context.Context, m stages.Meta, stage, format string, args ...any) {
	p.line(ctx, m, stage, dim, ">", " "+fmt.Sprintf(format, args...))
}

// payload is what all payloads have.
type payload interface{ Meta() stages.Meta }

// end tells how a stage ended. why is what went wrong where its chain returned no error; said describes the result.
func end[P payload](ctx context.Context, p *Plugin, stage string, o chain.Outcome[P], why error, said string) {
	color, mark, text := green, "ok", said
	err := o.Err
	switch {
	case o.Verdict == chain.Blocked:
		color, mark, text = red, "no", p.blocked(err)
	case o.Verdict == chain.Canceled:
		color, mark, text = yellow, "no", " canceled"+p.failure(err)
	case err == nil && why == nil:
	default:
		if err == nil {
			err = why
		}
		color, mark, text = red, "no", fmt.Sprintf(" failed (%s)", name(string(stages.KindOfError(err))))+by(o.Link)+p.failure(err)
	}
	p.line(ctx, o.Payload.Meta(), stage, color, mark, text+took(o.Duration))
}

func (p *Plugin) blocked(err error) string {
	v := violation(err)
	text := " blocked" + by(v.Link)
	if v.Code != "" {
		text += " [" + name(v.Code) + "]"
	}
	return text + ": " + p.text(v.Reason)
}

func by(link string) string {
	if link == "" {
		return ""
	}
	return " by " + name(link)
}

func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Microsecond:
		return fmt.Sprintf(" in %v", d)
	case d < time.Millisecond:
		return fmt.Sprintf(" in %v", d.Round(time.Microsecond))
	}
	return fmt.Sprintf(" in %v", d.Round(time.Millisecond/10))
}
