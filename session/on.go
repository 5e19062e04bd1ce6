package session

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/maillon-go/maillon/stages"
)

// Caller is what components are executed on: a *Session, or On(backend, history) without one. There are no others.
type Caller interface {
	Instruct(ctx context.Context, description string, opts ...InstructOption) (*Result, error)
	Chat(ctx context.Context, text string, opts ...InstructOption) (*Result, error)
	Query(ctx context.Context, value any, question string, opts ...InstructOption) (*Result, error)
	Act(ctx context.Context, action stages.Action, opts ...InstructOption) (*Result, error)
	Validate(ctx context.Context, requirements ...stages.Requirement) (*Report, error)

	Stream(ctx context.Context, description string, opts ...InstructOption) *Stream
	StreamChat(ctx context.Context, text string, opts ...InstructOption) *Stream
	StreamAct(ctx context.Context, action stages.Action, opts ...InstructOption) *Stream

	run(ctx context.Context, i instruction, opts []InstructOption) (*Result, error)
}

var (
	_ Caller = (*Session)(nil)
	_ Caller = (*apart)(nil)
)

// On executes components without a session: each call begins with the same history, and its Result has the one to go on
// with. All hooks fire but those of sessions, from the links of the process, which are stages.Default unless WithPipeline
// says otherwise, and from those of the block that ctx is in; see stages.WithPlugins. Payloads have no session id. There is
// nothing to close, and the backend stays open. Safe for concurrent use.
//
// The options are those of Start that need no session; WithPlugins, WithSetup, WithPruning, WithParent and a
// backend by name are refused. An error of an option, or a backend that is missing, is returned by each call.
func On(backend Backend, history stages.History, opts ...Option) Caller {
	a := &apart{}
	a.err = contain(func() error {
		cfg, err := configure(append([]Option{WithBackend(backend), WithHistory(history)}, opts...))
		switch {
		case err != nil:
			return err
		case len(cfg.setup) > 0:
			return fmt.Errorf("%w: without a session there are no links of its own: use stages.WithPlugins", ErrOption)
		case len(cfg.pruners) > 0:
			return fmt.Errorf("%w: without a session there is no history to prune", ErrOption)
		case cfg.backend == nil:
			return fmt.Errorf("%w: without a session no backend is opened by name: give one as a value", ErrOption)
		case cfg.parent != nil:
			return fmt.Errorf("%w: without a session there is nothing that could end with a parent", ErrOption)
		}
		a.given = given{cfg.backend, newOpened(cfg.backend, "", stages.Map[any]{}).describe(cfg.model), cfg.history}
		a.s = runtimeOf(cfg, len(opts) == 0)
		return nil
	})
	return a
}

// Instruct is Session.Instruct without a session: see On.
func Instruct(
	ctx context.Context, backend Backend, history stages.History, description string, opts ...InstructOption,
) (*Result, error) {
	return On(backend, history).Instruct(ctx, description, opts...)
}

// Chat is Session.Chat without a session: see On.
func Chat(ctx context.Context, backend Backend, history stages.History, text string, opts ...InstructOption) (*Result, error) {
	return On(backend, history).Chat(ctx, text, opts...)
}

// Query is Session.Query without a session: see On.
func Query(
	ctx context.Context, backend Backend, history stages.History, value any, question string, opts ...InstructOption,
) (*Result, error) {
	return On(backend, history).Query(ctx, value, question, opts...)
}

// Act is Session.Act without a session: see On.
func Act(
	ctx context.Context, backend Backend, history stages.History, action stages.Action, opts ...InstructOption,
) (*Result, error) {
	return On(backend, history).Act(ctx, action, opts...)
}

// Validate is Session.Validate without a session: it checks the last answer in the history. See On.
func Validate(
	ctx context.Context, backend Backend, history stages.History, requirements ...stages.Requirement,
) (*Report, error) {
	return On(backend, history).Validate(ctx, requirements...)
}

// given is what a call is made with: that of its session, or its own.
type given struct {
	answers Backend        // what is asked; nil in a session, which knows
	backend stages.Backend // what it says of itself
	history stages.History
}

// apart are calls without a session.
type apart struct {
	s *Session // runs them, and knows nothing of them afterwards
	given
	err error
}

func (a *apart) Instruct(ctx context.Context, description string, opts ...InstructOption) (*Result, error) {
	return a.run(ctx, task(description), opts)
}

func (a *apart) Chat(ctx context.Context, text string, opts ...InstructOption) (*Result, error) {
	return a.run(ctx, message(text), opts)
}

func (a *apart) Query(ctx context.Context, value any, question string, opts ...InstructOption) (*Result, error) {
	return a.run(ctx, query(value, question), opts)
}

func (a *apart) Act(ctx context.Context, action stages.Action, opts ...InstructOption) (*Result, error) {
	i, err := act(action)
	if err != nil {
		return nil, err
	}
	return a.run(ctx, i, opts)
}

func (a *apart) Validate(ctx context.Context, requirements ...stages.Requirement) (*Report, error) {
	if a.err != nil {
		return nil, a.err
	}
	ctx, r, err := a.s.beginWith(ctx, a.given)
	if err != nil {
		return nil, err
	}
	defer a.s.end(r)
	return a.s.report(ctx, r, lastAnswer(a.history), requirements)
}

// lastAnswer is what a history ends with, if that is an answer to a user.
func lastAnswer(h stages.History) *answered {
	turn := h.LastTurn()
	if last, ok := h.Last(); !ok || last.Role != stages.RoleAssistant || turn.Input.Role == "" {
		return nil
	}
	n := 0 // messages from the user's on
	for i, m := range h.Backward() {
		if m.Role == stages.RoleUser {
			n = i
			break
		}
	}
	all := h.Messages().Slice()
	return &answered{
		Target: stages.Target{
			Output: stages.Output{Text: turn.Output.Text, ToolCalls: turn.Output.ToolCalls},
			Action: &prompt{stages.KindMessage, "", turn.Input}, History: stages.NewHistory(all[:n]...),
			Tools: stages.ListOf(runsIn(all[n:])...),
		},
		kind: stages.KindMessage,
	}
}

// runsIn are the tools that a turn took, as far as its messages tell: that one failed by what the model was told, and one
// that the model was told nothing of did not succeed.
func runsIn(turn []stages.Message) (runs []stages.ToolRun) {
	for i, m := range turn {
		for _, c := range m.ToolCalls.All() {
			run := stages.ToolRun{Call: c}
			for _, told := range turn[i+1:] {
				if told.Role != stages.RoleTool || told.ToolCallID != c.ID || c.ID == "" && told.Name != c.Name {
					continue
				}
				if told.Name != "" { // the one that was run: hooks may have chosen another one
					run.Call.Name = told.Name
				}
				run.Output, run.Success = told.Text, !strings.HasPrefix(told.Text, toolFailed(""))
				break
			}
			runs = append(runs, run)
		}
	}
	return runs
}

func (a *apart) run(ctx context.Context, i instruction, opts []InstructOption) (*Result, error) {
	if a.err != nil {
		return nil, a.err
	}
	return a.s.runWith(ctx, a.given, i, opts)
}

// shared runs all calls that have no options but those of the instruction.
var shared atomic.Pointer[Session]

// runtimeOf is a Session without a start, an end or a memory. Plain calls share one, so that each costs no binding of the
// stages.
func runtimeOf(cfg config, plain bool) *Session {
	if s := shared.Load(); plain && s != nil && s.pipeline == cfg.pipeline {
		return s
	}
	cfg.backend, cfg.history = nil, stages.History{} // of the call
	s := &Session{cfg: cfg, pipeline: cfg.pipeline, options: cfg.options, live: map[string]*request{}, apart: true}
	s.bind()
	if plain {
		shared.Store(s)
	}
	return s
}
