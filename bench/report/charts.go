package report

import (
	"bytes"
	"fmt"
	"image/color"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/maillon-go/maillon/bench/peers"
)

// Charts are the charts by the names of their files.
func (r Results) Charts() (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, draw := range map[string]func() (*plot.Plot, error){
		"links.svg": r.byLinks, "peers.svg": r.byPeer, "features.svg": r.byFeature, "growth.svg": r.byGrowth,
	} {
		p, err := draw()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if out[name], err = svg(p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

func svg(p *plot.Plot) ([]byte, error) {
	c := vgsvg.New(9*vg.Inch, 5*vg.Inch)
	p.BackgroundColor = color.White
	p.Draw(draw.New(c))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	return b.Bytes(), err
}

// fit is the line through cells by least squares.
func fit(cells []Cell) (at0, slope float64) {
	xs, ys := make([]float64, len(cells)), make([]float64, len(cells))
	for i, c := range cells {
		xs[i], ys[i] = float64(c.Links), c.NS
	}
	return stat.LinearRegression(xs, ys, nil, false)
}

// byLinks is the cost of a call by the number of links, both on logarithmic scales.
func (r Results) byLinks() (*plot.Plot, error) {
	p := logarithmic("Steps that hand the payload on", "steps", "ns per call")
	for i, line := range []struct {
		grade peers.Grade
		peer  string
	}{
		{peers.Guarded, "failsafe-go"}, {peers.Guarded, "gobreaker"}, {peers.Guarded, "go-kit"}, {peers.Guarded, "maillon arounds"},
		{peers.Plain, "grpc-go"}, {peers.Recovering, "closures"}, {peers.Guarded, "maillon hooks"}, {peers.Plain, "closures"}, {peers.Plain, "maillon compose"},
	} {
		var xys plotter.XYs
		for _, c := range r.series("noop", line.peer) {
			if c.Links > 0 && c.Grade == string(line.grade) {
				xys = append(xys, plotter.XY{X: float64(c.Links), Y: c.NS})
			}
		}
		if err := addLine(p, i, fmt.Sprintf("%s, %s", line.peer, line.grade), xys); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// byGrowth is how many times as much a call costs as with the fewest.
func (r Results) byGrowth() (*plot.Plot, error) {
	p := logarithmic("What grows with what there are many of", "how many (one more than there are)", "times the price with the fewest")
	for i, s := range series {
		cells := r.series(s.scenario, s.peer)
		var xys plotter.XYs
		for _, c := range cells {
			xys = append(xys, plotter.XY{X: float64(c.Links + 1), Y: c.NS / cells[0].NS})
		}
		if err := addLine(p, i, s.what, xys); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func logarithmic(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	return p
}

func addLine(p *plot.Plot, n int, name string, xys plotter.XYs) error {
	if len(xys) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	line.Color, dots.Color = plotutil.Color(n), plotutil.Color(n)
	line.Dashes, dots.Shape = plotutil.Dashes(n/7), plotutil.Shape(n)
	p.Add(line, dots)
	p.Legend.Add(name, line, dots)
	return nil
}

// bar is one row of a chart of rows.
type bar struct {
	name string
	ns   float64
}

// byPeer is ten steps that do nothing.
func (r Results) byPeer() (*plot.Plot, error) {
	var bars []bar
	for _, g := range peers.Grades {
		for _, p := range peers.All {
			if c, ok := r.find(fmt.Sprintf("noop/links=10/%s/%s", g, p.Name)); ok {
				bars = append(bars, bar{fmt.Sprintf("%s: %s", g, p.Name), c.NS})
			}
		}
	}
	return rows("Ten steps that hand the payload on", bars)
}

// byFeature is what else may happen in a call.
func (r Results) byFeature() (*plot.Plot, error) {
	var bars []bar
	for _, f := range []struct{ name, id string }{
		{"an empty chain", "variants/links=0/hooks"},
		{"10 hooks", "variants/links=10/hooks"},
		{"10 hooks in three scopes", "variants/links=10/scoped"},
		{"10 hooks and an observer", "variants/links=10/observe"},
		{"10 hooks, the backend fails", "backend-error/links=10/guarded/maillon hooks"},
		{"10 hooks, the first blocks", "block-first/links=10/guarded/maillon hooks"},
		{"10 hooks, the last blocks", "block-last/links=10/guarded/maillon hooks"},
		{"10 hooks, every third rewrites", "rewrite/links=10/guarded/maillon hooks"},
		{"10 arounds", "variants/links=10/around"},
		{"a background link", "background/links=1/guarded/maillon hooks"},
		{"10 hooks, one with a hard timeout", "timeout-idle/links=10/guarded/maillon hooks"},
		{"4 hooks at once", "concurrent/links=4/guarded/maillon hooks"},
		{"a scope per request", "request/links=10/request"},
		{"an instruction of a session", "session/links=0/instruct"},
		{"the same with 10 hooks per stage", "session/links=10/instruct"},
	} {
		if c, ok := r.find(f.id); ok {
			bars = append(bars, bar{f.name, c.NS})
		}
	}
	return rows("What a call costs", bars)
}

// rows is a chart with a row for each bar and a logarithmic scale of nanoseconds; the first bar is at the top.
func rows(title string, bars []bar) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = title, "ns per call"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid())
	names := make([]string, len(bars))
	for i, b := range bars {
		y := len(bars) - 1 - i
		names[y] = b.name
		line, err := plotter.NewLine(plotter.XYs{{X: 1, Y: float64(y)}, {X: b.ns, Y: float64(y)}})
		if err != nil {
			return nil, err
		}
		line.Width, line.Color = vg.Points(8), plotutil.Color(2)
		text, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: b.ns, Y: float64(y)}}, Labels: []string{" " + nanos(b.ns)}})
		if err != nil {
			return nil, err
		}
		p.Add(line, text)
		p.X.Max = max(p.X.Max, 3*b.ns)
	}
	p.NominalY(names...)
	return p, nil
}
