package stages

// Strategy is how answers are sampled: how often to try, and how to repair a failed try. This is what stages, and
// plugins that look at one, need to know of it; the runtime knows how to run those that it comes with.
//
// A Strategy must not change after it was handed over, and its methods may be called concurrently.
type Strategy interface {
	Name() string
	// Settings are its parameters, for logs and policies.
	Settings() Map[any]
}

// NamedStrategy asks for a strategy that the runtime knows by name.
func NamedStrategy(name string, settings Map[any]) Strategy { return namedStrategy{name, settings} }

type namedStrategy struct {
	name     string
	settings Map[any]
}

func (s namedStrategy) Name() string       { return s.name }
func (s namedStrategy) Settings() Map[any] { return s.settings }

// RepairKind says how a strategy goes on after an answer that failed its requirements.
type RepairKind string

// The kinds of repair.
const (
	RepairIdentity  RepairKind = "identity"            // ask the same again: rejection sampling
	RepairTemplate  RepairKind = "template_repair"     // name the failures in the instruction
	RepairMultiTurn RepairKind = "multi_turn_message"  // keep the failed answer in the history and ask for a better one
	RepairTwoSolver RepairKind = "two_solver_feedback" // answer with what is wrong, then ask a strong backend once
	RepairCustom    RepairKind = "custom"
)

// Attempt is one try of a strategy: what was asked, what came of it, and how it was judged.
type Attempt struct {
	Action   Action        `json:"-"`
	Result   Output        `json:"result"`
	Findings List[Finding] `json:"findings"`
	Err      error         `json:"err,omitzero"` // why there is no answer, or nothing that was found about it; nil where there is
}

// Passed says that there is an answer and that every finding passed, which holds where there are none.
func (a Attempt) Passed() bool { return a.Err == nil && allPassed(a.Findings) }

func allPassed(findings List[Finding]) bool { return countPassed(findings) == findings.Len() }

func countPassed(findings List[Finding]) (n int) {
	for _, f := range findings.All() {
		if f.Verdict.Passed() {
			n++
		}
	}
	return n
}
