package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// Kind is the name of the plugin's kind in configuration files, and the default name of the plugin.
const Kind = "audit_log"

// Values of Settings.Contents.
const (
	ContentsNone     = "none"
	ContentsRedacted = "redacted"
)

// Defaults and limits of Settings.
const (
	DefaultMaxContents = 1 << 20
	DefaultBuffer      = 16 << 20
)

// Settings of a Plugin. Either Path or Sink is required.
type Settings struct {
	Path          string        `yaml:"path"`           // of a File, in a folder that is there
	MaxBytes      int64         `yaml:"max_bytes"`      // of the file before it is rotated, default 100 MiB
	MaxFiles      int           `yaml:"max_files"`      // rotated files that are kept, default 0: all
	Fsync         Fsync         `yaml:"fsync"`          // always (default), interval or never
	FsyncInterval time.Duration `yaml:"fsync_interval"` // of interval, default 1 s
	Key           config.Secret `yaml:"key"`            // makes the hashes HMACs; at least 16 bytes
	HashKey       []byte        `yaml:"-"`              // is Key for programs; one of the two is enough

	// SkipAllowed are stages whose allowed outcomes are not recorded, "chunk", say. What was blocked, failed or canceled always is.
	SkipAllowed []string `yaml:"skip_allowed"`
	// Keep is what may stand in a record as it is of what tells people apart: "user_id", "labels.<key>", "metadata.<key>". By
	// default nothing does; it is part of the contents then.
	Keep []string `yaml:"keep"`
	// Contents is "redacted" or "none". Empty, it is redacted where there is a Redact. Redacted without a Redact is an error.
	Contents    string `yaml:"contents"`
	MaxContents int    `yaml:"max_contents"` // bytes of the contents of one record, default 1 MiB; above it has none
	Buffer      int    `yaml:"buffer"`       // bytes of records that wait for a sink that failed, default 16 MiB

	// Sink is another one than a File. The Plugin does not close it.
	Sink Sink `yaml:"-"`
	// Redact takes out of a text what must not be stored. It gets every text of the contents, one by one, whether or not some
	// link redacted the payload before, so that Redact(Redact(s)) must be Redact(s). It is called concurrently. A panic in it
	// costs the record its contents.
	Redact func(string) string `yaml:"-"`
	// Logger is told when the sink begins to fail, and when it works again, once each. By default
	// the request's logger is.
	Logger *zap.Logger `yaml:"-"`
}

// Plugin records the outcome of every run through every stage. Register it in a stages.Pipeline or give it to a session, which
// call Init and Close; several sessions may share one. Safe for concurrent use.
type Plugin struct {
	s        Settings
	skip     map[string]bool
	keepUser bool
	keep     map[string]bool // "labels.x" and "metadata.x"
	shared   sharedFile
	delivery delivery
}

// New checks the settings. It opens nothing: Init does, or the first record.
func New(s Settings) (*Plugin, error) {
	p := &Plugin{s: s, skip: map[string]bool{}, keep: map[string]bool{}}
	key := slices.Clone(s.HashKey)
	if len(key) == 0 {
		key = []byte(s.Key.Reveal())
	}
	fileOptions, err := FileOptions{s.MaxBytes, s.MaxFiles, s.Fsync, s.FsyncInterval, key}.withDefaults()
	errs := []error{err}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("audit: "+format, args...)) }
	if (s.Path == "") == (s.Sink == nil) {
		bad("give path, or in Go a Sink, one of the two")
	}
	if len(s.HashKey) > 0 && s.Key.Reveal() != "" {
		bad("key and HashKey are both set, use one of them")
	}
	if n := len(key); n > 0 && n < 16 {
		bad("key has %d bytes, want at least 16 random ones", n)
	}
	for _, name := range s.SkipAllowed {
		if !slices.Contains(chains(), name) {
			bad("skip_allowed: there is no stage %.40q, there are %s", name, strings.Join(chains(), ", "))
		}
		p.skip[name] = true
	}
	for _, k := range s.Keep {
		of, key, _ := strings.Cut(k, ".")
		switch {
		case k == "user_id":
			p.keepUser = true
		case (of == "labels" || of == "metadata") && key != "":
			p.keep[k] = true
		default:
			bad("keep: %.40q is not user_id, labels.<key> or metadata.<key>", k)
		}
	}
	switch s.Contents {
	case "", ContentsNone:
	case ContentsRedacted:
		if s.Redact == nil {
			bad("contents: redacted needs a redactor: Settings.Redact in Go, by the function that was registered for the kind")
		}
	default:
		bad("contents is %.20q, want none or redacted", s.Contents)
	}
	if s.MaxContents < 0 || s.MaxContents > stages.MaxWireBytes || s.Buffer < 0 {
		bad("max_contents must be 0 to %d, and buffer not negative", stages.MaxWireBytes)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.Contents == ContentsNone {
		p.s.Redact = nil
	}
	if s.MaxContents == 0 {
		p.s.MaxContents = DefaultMaxContents
	}
	if s.Buffer == 0 {
		s.Buffer = DefaultBuffer
	}
	p.shared = sharedFile{path: s.Path, o: fileOptions}
	p.delivery = delivery{sink: s.Sink, log: s.Logger, buffer: s.Buffer}
	if s.Sink == nil {
		p.delivery.sink = &p.shared
	}
	return p, nil
}

// chains are the names of the stages.
func chains() []string {
	names := map[string]bool{}
	for _, h := range stages.HookPoints() {
		names[h.Chain] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Name is audit_log.
func (p *Plugin) Name() string { return Kind }

// HookOptions ask for the durations of stages.
func (p *Plugin) HookOptions(string) []chain.Option { return []chain.Option{chain.Timed()} }

// Init opens the file, so that a mistake shows at registration and not with the first record.
func (p *Plugin) Init(context.Context) error {
	if p.s.Sink != nil {
		return nil
	}
	_, err := p.shared.open()
	return err
}

// Close writes what waits, once more, and closes the file. Records that still cannot be written are lost, which is the error.
// What comes afterwards opens the file again.
func (p *Plugin) Close(ctx context.Context) error {
	return errors.Join(p.delivery.flush(ctx), p.shared.close())
}

// Stats are the counts. A program that must not answer without an audit looks at Err before each call: an observer itself can
// stop nothing.
func (p *Plugin) Stats() Stats { return p.delivery.snapshot() }
