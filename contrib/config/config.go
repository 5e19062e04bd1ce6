package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/samber/lo"
	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Options are what Open needs besides the file.
type Options struct {
	// Pipeline gets the plugins; nil is stages.Default.
	Pipeline *stages.Pipeline
	// Kinds are those that the file may name. Nil has none, so that the file can only override links.
	Kinds *Kinds
	// Logger hears of Open and of every reload: what changed, why the file was not taken, and, once each, of overrides of links
	// that are not there. Nil logs nothing.
	Logger *zap.Logger
}

func (o Options) filled() Options {
	if o.Pipeline == nil {
		o.Pipeline = stages.Default
	}
	if o.Kinds == nil {
		o.Kinds = NewKinds()
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}

// Config is a file whose plugins are registered. Safe for concurrent use.
type Config struct {
	path string
	opts Options

	mu         sync.Mutex
	reg        *stages.Registration // nil once closed
	plugins    map[string]made
	hash       [sha256.Size]byte // of the file that was last tried
	secrets    secrets           // that it led to
	dispatcher chain.DispatcherConfig
	inert      []string // overrides that were told to have no effect
	traces     bool     // the pipeline has a tracer of the file
}

// ErrClosed is returned by a Config that was closed.
var ErrClosed = errors.New("config: closed")

// Open reads a file and registers its plugins: all or none. What is wrong with the file is an *Error, or several joined.
func Open(ctx context.Context, path string, opts Options) (*Config, error) {
	c := &Config{path: path, opts: opts.filled()}
	c.dispatcher = c.opts.Pipeline.Dispatcher().Config()
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	p, b, err := c.build(data)
	if err != nil {
		return nil, err
	}
	before := c.opts.Pipeline.Explain()
	if c.reg, err = c.opts.Pipeline.Register(ctx, b.entries...); err != nil {
		return nil, b.placed(p, err)
	}
	c.taken(data, b)
	c.tell("config: opened", before, b)
	return c, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

func (c *Config) build(data []byte) (*problems, built, error) {
	p := newProblems(c.path, data)
	b := build(p, data, c.opts.Kinds, c.plugins)
	return p, b, p.err()
}

func (c *Config) taken(data []byte, b built) {
	c.plugins, c.hash, c.secrets = b.plugins, sha256.Sum256(data), b.secrets
	d := c.dispatcher
	if b.dispatcher != nil {
		d = *b.dispatcher
	}
	c.opts.Pipeline.Dispatcher().Configure(d)
	c.trace(b.tracer)
}

// Reload reads the file again and puts its plugins in the place of the ones that are there, in one step for each stage:
// calls in flight end on the plan that they began with. Where it fails everything stays as it was. An instance whose kind
// and settings did not change stays, and so do the breakers and counts of links that did not. An error that is
// stages.ErrClose comes from a plugin that went; the others are there then.
func (c *Config) Reload(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reload(ctx)
}

func (c *Config) reload(ctx context.Context) error {
	if c.reg == nil {
		return ErrClosed
	}
	data, err := read(c.path)
	if err == nil {
		c.hash = sha256.Sum256(data)
		err = c.swap(ctx, data)
	}
	if err != nil && !errors.Is(err, stages.ErrClose) {
		c.opts.Logger.Error("config: the file was not taken, what ran before goes on", zap.String("file", c.path), zap.Error(err))
	}
	return err
}

func (c *Config) swap(ctx context.Context, data []byte) error {
	p, b, err := c.build(data)
	c.secrets = b.secrets
	if err != nil {
		return err
	}
	before := c.opts.Pipeline.Explain()
	closing := c.reg.Replace(ctx, b.entries...)
	if closing != nil && !errors.Is(closing, stages.ErrClose) {
		return b.placed(p, closing)
	}
	c.taken(data, b)
	c.tell("config: reloaded", before, b)
	if closing != nil {
		c.opts.Logger.Warn("config: plugins that went were not closed well", zap.Error(closing))
	}
	return closing
}

// tell logs what a file that was taken has changed, and which of its overrides have no effect so far.
func (c *Config) tell(what string, before stages.Plans, b built) {
	now := c.opts.Pipeline.Explain()
	diff := before.Diff(now)
	c.opts.Logger.Info(what, zap.String("file", c.path), zap.Int("changes", len(diff)), zap.Stringer("diff", diff))
	inert := lo.Filter(lo.Uniq(b.overrides), func(link string, _ int) bool { return isInert(now, link) })
	for _, link := range lo.Without(inert, c.inert...) {
		fields := []zap.Field{zap.String("file", c.path), zap.String("link", link)}
		if best := near(link, linkNames(now, strings.Contains(link, "/"))); best != "" {
			fields = append(fields, zap.String("hint", fmt.Sprintf("did you mean %q?", best)))
		}
		c.opts.Logger.Info("config: an override has no effect, the link is not there so far", fields...)
	}
	c.inert = inert
}

// isInert says that no chain has the link of an override; one that is named without a chain is overridden in all of them.
func isInert(plans stages.Plans, link string) bool {
	in, name, ok := strings.Cut(link, "/")
	if !ok {
		in, name = "", link
	}
	return lo.EveryBy(plans, func(p chain.Plan) bool {
		there := slices.ContainsFunc(p.Links, func(l chain.PlannedLink) bool { return l.Name == name })
		return in != "" && p.Chain != in || !there || slices.Contains(p.Inert, name)
	})
}

func linkNames(plans stages.Plans, qualified bool) (names []string) {
	for _, p := range plans {
		for _, l := range p.Links {
			if qualified {
				names = append(names, p.Chain+"/"+l.Name)
			} else {
				names = append(names, l.Name)
			}
		}
	}
	return names
}

// Links are the links that the file has registered, none after Close.
func (c *Config) Links() []stages.RegisteredLink {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reg == nil {
		return nil
	}
	return c.reg.Links()
}

// Plugin is the plugin that the file in force has under a name, for what a program wants of it beyond its hooks:
//
//	slots, err := config.Plugin[*profiler.Plugin](c, "slots")
//
// A reload that changes the plugin's kind or settings puts another one in its place, so a program asks each time. T may be an
// interface. The error says that c is closed, that there is no such plugin, or what it is instead of a T.
func Plugin[T any](c *Config, name string) (plugin T, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reg == nil {
		return plugin, ErrClosed
	}
	m, ok := c.plugins[name]
	if !ok {
		err = fmt.Errorf("config: %s has no plugin %q", c.path, name)
		if hint := nearest(name, slices.Sorted(maps.Keys(c.plugins))); hint != "" {
			err = fmt.Errorf("%w: %s", err, hint)
		}
		return plugin, err
	}
	if plugin, ok = m.plugin.(T); !ok {
		return plugin, fmt.Errorf("config: the plugin %q of the kind %s is a %T, not a %v", name, m.kind, m.plugin, reflect.TypeFor[T]())
	}
	return plugin, nil
}

// Close takes away what the file registered and closes the plugins that are used nowhere else. A Watch ends by its ctx.
func (c *Config) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	reg := c.reg
	c.reg, c.plugins = nil, nil
	if reg == nil {
		return nil
	}
	c.opts.Pipeline.Dispatcher().Configure(c.dispatcher)
	c.trace(nil)
	return reg.Remove(ctx)
}

// Preview reads a file and says what a Pipeline would run with it alone, or what is wrong with it. Plugins are made, but
// neither initialised nor registered. Two previews have a Diff.
func Preview(path string, kinds *Kinds) (stages.Plans, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return PreviewBytes(path, data, kinds)
}

// PreviewBytes is Preview of what would be in a file, whose name is for errors only.
func PreviewBytes(name string, data []byte, kinds *Kinds) (stages.Plans, error) {
	c := &Config{path: name, opts: Options{Kinds: kinds}.filled()}
	p, b, err := c.build(data)
	if err != nil {
		return nil, err
	}
	plans, err := stages.Preview(b.entries...)
	if err != nil {
		return nil, b.placed(p, err)
	}
	return plans, nil
}
