package policy

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/internal/prefilter"
)

// Place is where a text is judged.
type Place string

// The places.
const (
	Input      Place = "input"       // messages of users on their way to the model
	Output     Place = "output"      // what the model answers, or answered in a history that it gets
	ToolInput  Place = "tool_input"  // the arguments of a tool
	ToolOutput Place = "tool_output" // what a tool answers, also in a history
)

// Places are all of them.
var Places = []Place{Input, Output, ToolInput, ToolOutput}

// Codes of violations.
const (
	CodeTerm      = "policy_term"
	CodePattern   = "policy_pattern"
	CodeInjection = "policy_injection"
	CodeKind      = "policy_component_kind"
)

// Limits of settings.
const (
	MaxTerms   = 100_000 // of all rules
	MaxTerm    = 256     // runes
	MaxWindow  = 4096    // runes
	MaxFile    = 16 << 20
	defaultWin = 128
)

// Settings are those of a Plugin. The zero value looks for injections only.
type Settings struct {
	Rules []Rule `yaml:"rules"`
	// Injection says whether heuristics look for prompt injection, in inputs and in what tools return: on, the default, or off.
	Injection Switch `yaml:"injection"`
	// AllowKinds are the kinds of component that may run, such as Instruction; empty allows all. DenyKinds may not.
	AllowKinds []string `yaml:"allow_kinds"`
	DenyKinds  []string `yaml:"deny_kinds"`
	// Echo puts the offending text into the details of violations, which reach logs and callers.
	Echo bool `yaml:"echo"`
}

// Rule is a set of terms and patterns.
type Rule struct {
	Name string `yaml:"name"` // for details; required
	// Terms are words or phrases, found as whole words. TermsFile has more of them, one a line; a line with # is a comment.
	Terms     []string `yaml:"terms"`
	TermsFile string   `yaml:"terms_file"`
	// Patterns are regular expressions (RE2) for the text as it was written.
	Patterns []string `yaml:"patterns"`
	// Window is how many runes a match of a pattern has at most, 128 unless given: streams are held back as far.
	Window int `yaml:"window"`
	// Allow are terms within which the rule's terms are allowed: "assassin bug" for "assassin".
	Allow []string `yaml:"allow"`
	// At are the places where the rule holds; all unless given.
	At []Place `yaml:"at"`
	// Kinds are the kinds of component for which the rule holds, ExceptKinds those for which it does not.
	Kinds       []string       `yaml:"kinds"`
	ExceptKinds []string       `yaml:"except_kinds"`
	Code        string         `yaml:"code"`     // CodeTerm or CodePattern unless given
	Severity    chain.Severity `yaml:"severity"` // error unless given
}

// Switch is on unless it is off.
type Switch string

// The positions of a Switch.
const (
	On  Switch = "on"
	Off Switch = "off"
)

// rule is a Rule as it is used.
type rule struct {
	Rule
	at       map[Place]bool
	patterns []prefilter.Regexp
	open     int // see finding
}

func (r *rule) holds(at Place, kind string) bool {
	return r.at[at] && (len(r.Kinds) == 0 || slices.Contains(r.Kinds, kind)) && !slices.Contains(r.ExceptKinds, kind)
}

func (s Settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("policy: "+format, args...)) }
	if s.Injection != "" && s.Injection != On && s.Injection != Off {
		bad("injection is %q: use on or off", s.Injection)
	}
	names := map[string]bool{}
	for i, r := range s.Rules {
		what := fmt.Sprintf("rule %q", r.Name)
		switch {
		case r.Name == "":
			what = fmt.Sprintf("rule %d", i+1)
			bad("%s has no name", what)
		case names[r.Name]:
			bad("%s is there twice", what)
		}
		names[r.Name] = true
		if len(r.Terms) == 0 && r.TermsFile == "" && len(r.Patterns) == 0 {
			bad("%s has neither terms nor patterns", what)
		}
		for _, p := range r.At {
			if !slices.Contains(Places, p) {
				bad("%s: no place %q: use %v", what, p, Places)
			}
		}
		if r.Window < 0 || r.Window > MaxWindow {
			bad("%s: window is %d: use 1 to %d runes", what, r.Window, MaxWindow)
		}
	}
	return errors.Join(errs...)
}

// compile makes a rule usable. The terms of its file are added to it.
func compile(r Rule) (*rule, error) {
	out := &rule{Rule: r, at: map[Place]bool{}}
	for _, p := range r.At {
		out.at[p] = true
	}
	if len(r.At) == 0 {
		for _, p := range Places {
			out.at[p] = true
		}
	}
	if out.Window == 0 {
		out.Window = defaultWin
	}
	var errs []error
	if r.TermsFile != "" {
		more, err := readTerms(r.TermsFile)
		errs = append(errs, err)
		out.Terms = append(slices.Clip(out.Terms), more...)
	}
	for _, p := range r.Patterns {
		re, err := regexp.Compile(p)
		if err == nil && re.MatchString("") {
			err = errors.New("it matches the empty text")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("pattern %q: %w", p, err))
			continue
		}
		out.patterns = append(out.patterns, prefilter.New(re))
	}
	for _, t := range slices.Concat(out.Terms, out.Allow) {
		if n := utf8.RuneCountInString(t); n > MaxTerm {
			errs = append(errs, fmt.Errorf("a term has %d runes, more than %d", n, MaxTerm))
		}
		if strings.TrimSpace(foldedTerm(t)) == "" {
			errs = append(errs, errors.New("a term is empty"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("policy: rule %q: %w", r.Name, err)
	}
	return out, nil
}

func readTerms(path string) (out []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("terms_file: %w", err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > MaxFile {
		return nil, fmt.Errorf("terms_file: %s has %d bytes, more than %d", path, info.Size(), MaxFile)
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("terms_file: %s: %w", path, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("terms_file: %s has no terms", path)
	}
	return out, nil
}
