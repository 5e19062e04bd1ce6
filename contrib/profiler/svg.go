package profiler

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Measures of a chart, in pixels.
const (
	chartWidth = 1200
	rowHeight  = 20
	headHeight = 30
	charWidth  = 6.6 // of the font, at 11 pixels
	margin     = 4
)

// WriteSVG draws the session as an icicle chart: the session at the top, what its time went into below it, the width of each
// box by its time. Boxes say more in a tooltip. The same session gives the same bytes. Parts that ran at the same time are
// drawn side by side, and their frame as wide as all of them.
func (s Session) WriteSVG(w io.Writer) error {
	var body bytes.Buffer
	root := s.Time
	total := width(root)
	depth := 0
	draw(&body, root, root.Took, margin, (chartWidth-2*margin)/math.Max(float64(total), 1), 0, &depth)
	name := s.ID
	if name == "" {
		name = "calls without a session"
	} else {
		name = "session " + name
	}
	height := headHeight + (depth+1)*rowHeight + margin
	out := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="monospace" font-size="11">
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="%d" y="19" font-size="13">%s: %s</text>
%s</svg>
`, chartWidth, height, chartWidth, height, margin, escape(plain(name)), short(root.Took), body.Bytes())
	_, err := io.WriteString(w, out)
	return err
}

// width is the time that a frame is drawn with.
func width(f Frame) time.Duration {
	var parts time.Duration
	for _, p := range f.Parts {
		parts += width(p)
	}
	return max(f.Took, parts, 0)
}

func draw(b *bytes.Buffer, f Frame, total time.Duration, x, scale float64, level int, depth *int) {
	w := float64(width(f)) * scale
	if w < 0.1 {
		return
	}
	*depth = max(*depth, level)
	y := headHeight + level*rowHeight
	about := fmt.Sprintf("%s: %s, %.1f %%", f.Name, short(f.Took), 100*float64(f.Took)/math.Max(float64(total), 1))
	if f.Calls > 0 {
		about += fmt.Sprintf(", %d calls", f.Calls)
	}
	if f.Link {
		about += ", own time"
	}
	fmt.Fprintf(b, "<g><title>%s</title><rect x=\"%s\" y=\"%d\" width=\"%s\" height=\"%d\" rx=\"2\" fill=\"%s\" stroke=\"#fff\"/>",
		escape(plain(about)), px(x), y, px(w), rowHeight-1, color(f))
	if text := label(plain(f.Name)+" "+short(f.Took), w); text != "" {
		fmt.Fprintf(b, "<text x=\"%s\" y=\"%d\">%s</text>", px(x+3), y+14, escape(text))
	}
	b.WriteString("</g>\n")
	for _, p := range f.Parts {
		draw(b, p, total, x, scale, level+1, depth)
		x += float64(width(p)) * scale
	}
}

func px(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// label is as much of a text as fits into a box.
func label(s string, w float64) string {
	fits := int((w - 6) / charWidth)
	switch {
	case fits >= utf8.RuneCountInString(s):
		return s
	case fits < 3:
		return ""
	}
	return string([]rune(s)[:fits-1]) + "…"
}

// color is one for each name: warm for links, cool for what they are in.
func color(f Frame) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, f.Name)
	from, hues := uint32(170), uint32(90)
	if f.Link {
		from, hues = 10, 50
	}
	return fmt.Sprintf("hsl(%d,60%%,%d%%)", from+h.Sum32()%hues, 72+h.Sum32()/hues%10)
}

// escape is a text as part of an XML document. Characters that it cannot have are replaced.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
