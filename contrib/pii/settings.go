package pii

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/internal/prefilter"
)

// The detectors.
const (
	Email       = "email"       // addresses of electronic mail
	Phone       = "phone"       // telephone numbers: +..., 00..., (212) 555-0100, 030 1234567
	IBAN        = "iban"        // bank accounts with country, length and checksum
	Card        = "card"        // payment cards with issuer, length and checksum
	ID          = "national_id" // US SSN and ITIN, UK NINO, Canadian SIN, Brazilian CPF, French NIR, Spanish DNI
	IP          = "ip"          // IPv4 and IPv6, but for loopback, unspecified, masks and broadcast
	MAC         = "mac"         // hardware addresses
	Credentials = "credentials" // user:password in a URL, before a host, or behind Authorization: Basic
	Secret      = "secret"      // API keys, tokens, private keys: by well-known prefixes and by entropy
)

// Detectors are the names of all detectors, in the order in which they are preferred where two find the same text.
func Detectors() []string { return slices.Clone(detectors) }

var detectors = []string{Credentials, Secret, Card, IBAN, ID, Email, IP, MAC, Phone}

// The indices of detectors.
const (
	kindCredentials = iota
	kindSecret
	kindCard
	kindIBAN
	kindID
	kindEmail
	kindIP
	kindMAC
	kindPhone
	builtin // how many there are
)

// Action is what is done with what was found.
type Action string

// The actions. The first is the default.
const (
	Redact Action = "redact" // [EMAIL] in its place
	Mask   Action = "mask"   // asterisks in its place; of cards, accounts and telephone numbers the last four digits stay
	Hash   Action = "hash"   // [EMAIL#...], the same for the same text and key; needs a key
	Token  Action = "token"  // [EMAIL:...], which the caller's Vault can turn back; where the call has none, as Redact
	Block  Action = "block"  // the call is stopped; a Scanner, which cannot, does as Redact
)

var actions = []Action{Redact, Mask, Hash, Token, Block}

// minKey is how short a key may be, in bytes.
const minKey = 16

// Settings say what to look for and what to do with it. The zero value redacts all that the detectors find.
type Settings struct {
	// Detectors are those to use; empty means all of them.
	Detectors []string `yaml:"detectors"`
	// Action is what is done with what was found, by default Redact.
	Action Action `yaml:"action"`
	// Actions are those of single detectors and patterns, by name.
	Actions map[string]Action `yaml:"actions"`
	// Patterns are further detectors.
	Patterns []Pattern `yaml:"patterns"`
	// Allow are texts that are left alone, the address of the own support, say: the whole of what is found, letters of
	// either case.
	Allow []string `yaml:"allow"`
	// Key is that of Hash, at least 16 bytes long.
	Key config.Secret `yaml:"key"`
	// HashKey is Key for programs. One of the two is enough.
	HashKey []byte `yaml:"-"`
}

// Pattern is a detector of the user's own.
type Pattern struct {
	// Name is that of the detector: lower case letters, digits and _. In capitals it stands in the place of what was found.
	Name string `yaml:"name"`
	// Regexp is in the syntax of package regexp. What it matches must be of limited length, at most 192 characters:
	// \d{1,12} and not \d+.
	Regexp string `yaml:"regexp"`
}

// kind is a detector with its settings.
type kind struct {
	name, label string
	action      Action
}

// compile checks the settings and makes a Scanner of them.
func (s Settings) compile() (*Scanner, error) {
	c := &Scanner{key: slices.Clone(s.HashKey), allow: map[string]bool{}}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("pii: "+format, args...)) }
	fallback := s.Action
	if fallback == "" {
		fallback = Redact
	}
	checkAction := func(where string, a Action) {
		if !slices.Contains(actions, a) {
			fault("%s: there is no action %q, use one of %v", where, a, actions)
		}
	}
	checkAction("action", fallback)
	for _, name := range detectors {
		c.kinds = append(c.kinds, kind{name, strings.ToUpper(name), fallback})
	}
	for i, name := range s.Detectors {
		at := slices.Index(detectors, name)
		if at < 0 {
			fault("detectors[%d]: there is no detector %q, use some of %v", i, name, detectors)
			continue
		}
		c.on |= 1 << at
	}
	if len(s.Detectors) == 0 {
		c.on = 1<<builtin - 1
	}
	for i, p := range s.Patterns {
		re, err := p.compile()
		switch {
		case err != nil:
			fault("patterns[%d]: %w", i, err)
		case slices.ContainsFunc(c.kinds, func(k kind) bool { return k.name == p.Name }):
			fault("patterns[%d]: the name %q is taken", i, p.Name)
		}
		c.kinds = append(c.kinds, kind{p.Name, strings.ToUpper(p.Name), fallback})
		if err == nil {
			c.patterns = append(c.patterns, prefilter.New(re))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Actions)) {
		at := slices.IndexFunc(c.kinds, func(k kind) bool { return k.name == name })
		if at < 0 {
			fault("actions: there is no detector or pattern %q", name)
			continue
		}
		checkAction("actions: "+name, s.Actions[name])
		c.kinds[at].action = s.Actions[name]
	}
	for _, text := range s.Allow {
		c.allow[strings.ToLower(text)] = true
	}
	if key := s.Key.Reveal(); key != "" {
		if len(c.key) > 0 {
			fault("key and HashKey are both set, use one of them")
		}
		c.key = []byte(key)
	}
	hashes := slices.ContainsFunc(c.kinds, func(k kind) bool { return k.action == Hash })
	switch {
	case hashes && len(c.key) == 0:
		fault("the action %q needs a key, such as key: {env: NAME}", Hash)
	case len(c.key) > 0 && len(c.key) < minKey:
		fault("the key is too short, it must have at least %d bytes", minKey)
	}
	c.labels = labelsOf(c.kinds)
	return c, errors.Join(errs...)
}
