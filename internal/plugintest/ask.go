package plugintest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Start starts a session, on a pipeline of its own unless the options name another. It ends with the test at the latest, and
// where that fails the test does.
func Start(tb testing.TB, b session.Backend, opts ...session.Option) *session.Session {
	tb.Helper()
	s, err := session.Start(tb.Context(), append([]session.Option{
		session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(b),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Read reads a stream to its end.
func Read(st *session.Stream) (pieces []string, res *session.Result, err error) {
	for piece, err := range st.Text() {
		if err == nil { // Result has the error
			pieces = append(pieces, piece)
		}
	}
	res, err = st.Result()
	return pieces, res, err
}

// Ask asks for an instruction, streamed or not. What was read of a stream has to be the text of its result.
func Ask(tb testing.TB, s *session.Session, question string, streamed bool, opts ...session.InstructOption) (text string, err error) {
	tb.Helper()
	if !streamed {
		res, err := s.Instruct(tb.Context(), question, opts...)
		if err != nil {
			return "", err
		}
		return res.Text(), nil
	}
	pieces, res, err := Read(s.Stream(tb.Context(), question, opts...))
	if err != nil {
		return "", err
	}
	if text = strings.Join(pieces, ""); strings.TrimSpace(text) != strings.TrimSpace(res.Text()) {
		tb.Errorf("%q: read %q, the result is %q", question, text, res.Text())
	}
	return res.Text(), nil
}

// Verdict is what became of a call: "" where it was allowed, the code of its block, or "error: " and what failed.
func Verdict(err error) string {
	if v, ok := errors.AsType[*chain.Violation](err); ok {
		return v.Code
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return ""
}

// Mentions is the requirement that an answer has a text in it.
func Mentions(what string) stages.Requirement {
	return session.Check("Mention "+what, func(text string) (bool, string) { return strings.Contains(text, what), "no " + what })
}

// Unbuffered checks that a plugin lets streams be streams.
func Unbuffered(tb testing.TB, plugin any) {
	tb.Helper()
	p := stages.NewPipeline(stages.PipelineConfig{})
	if _, err := p.Register(tb.Context(), plugin); err != nil {
		tb.Fatal(err)
	}
	if by := p.Streaming(tb.Context()).Buffered(); len(by) > 0 {
		tb.Errorf("streams are buffered because of %v", by)
	}
}
