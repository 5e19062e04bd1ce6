package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/maillon-go/maillon/chain"
)

// Kinds are the kinds of plugins that files may name. There is no list for the whole process: a program registers what its
// files may use. Safe for concurrent use.
type Kinds struct {
	mu    sync.Mutex
	kinds map[string]kind
}

// kind makes plugins of settings.
type kind struct {
	// decode gives settings, of one comparable-by-reflection type, from the node of config, which may be nil.
	decode func(ctx context.Context, n ast.Node) (any, error)
	build  func(settings any) (any, error)
	typ    reflect.Type
}

// Successor is a plugin with state that is to outlive a reload which changes its settings, such as what was spent. The new
// instance gets the one that it replaces, of the same name and kind, before it is registered, and takes over what both can use at
// once: the old one has calls in flight, and goes on alone where the reload fails. So it must change nothing of the old one.
type Successor interface {
	Succeed(before any)
}

// NewKinds makes an empty set.
func NewKinds() *Kinds { return &Kinds{kinds: map[string]kind{}} }

// Register adds a kind. build gets the settings of a plugin, read from its config into a struct S, in which a key that S
// does not have is an error, and returns what stages.Pipeline.Register takes: a pointer to a struct with hooks, a link, or
// an Entry. Keys are the names of fields in lower case, or as their yaml tags say; a Secret may only be a reference. A
// plugin whose kind and settings are the same after a reload is not made again, so build must not keep what changes between
// calls. What an UnmarshalText or UnmarshalYAML of the program says of a value is not shown, since the value may be secret,
// unless it is marked with Showable: the error is that it does not fit.
//
// It panics without a name or a function, and on a name that is taken: a mistake of the program.
func Register[S any](k *Kinds, name string, build func(settings S) (any, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name == "" || build == nil {
		panic("config: Register needs a name and a function")
	}
	if _, ok := k.kinds[name]; ok {
		panic("config: the kind " + name + " is registered already")
	}
	k.kinds[name] = kind{
		typ: reflect.TypeFor[S](),
		decode: func(ctx context.Context, n ast.Node) (any, error) {
			var s S
			if n == nil {
				return s, nil
			}
			return s, decodeNode(ctx, n, &s)
		},
		build: func(settings any) (any, error) { return build(settings.(S)) },
	}
}

// decodeNode reads a node of a plugin's own settings.
func decodeNode(ctx context.Context, n ast.Node, to any) error {
	return yaml.NewDecoder(&bytes.Buffer{}, yaml.Strict(), strictTime, strictDuration, strictSeverity).DecodeFromNodeContext(ctx, n, to)
}

// Names are the kinds, sorted.
func (k *Kinds) Names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.kinds))
}

func (k *Kinds) find(name string) (kind, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.kinds[name]
	return f, ok
}

// contained calls code of the program, whose panic is an error.
func contained[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %w", &chain.PanicError{Value: x, Stack: debug.Stack()})
		}
	}()
	return f()
}

var errNoPlugin = errors.New("the kind made no plugin")
