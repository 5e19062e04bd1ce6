package backendtest

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Ending is how a reply ends.
type Ending int

// The endings.
const (
	Complete Ending = iota // as the protocol has it
	Cut                    // the connection breaks off after Pieces, or in the middle of an answer in one piece
	Garbage                // what follows Pieces, or all of an answer in one piece, is nothing that the protocol knows
)

// Reply is what the subject's server is to answer: to a request for a stream with one chunk for each of Pieces, sent at once,
// and otherwise with Text.
type Reply struct {
	Pieces    iter.Seq[string] // may block, and ends with the context that Reply was given
	ToolCalls []stages.ToolCall
	Finish    stages.FinishReason
	Usage     stages.Usage
	Model     string
	Ending    Ending
	Failure   *Failure // where it is set, the server says so and nothing else
}

// Text is all pieces.
func (r Reply) Text() string { return strings.Join(slices.Collect(r.Pieces), "") }

// Failure is what a server says instead of an answer.
type Failure struct {
	Kind       session.BackendErrorKind // what the backend is to make of it
	Status     int                      // of HTTP, or what stands for it in the protocol
	RetryAfter time.Duration            // in full seconds; 0 to say nothing
	Message    string
}

// Service says what the subject's server is to reply. Concurrency safe.
type Service struct {
	mu       sync.Mutex
	reply    func(ctx context.Context, request string) Reply
	requests []string
}

// Reply is the answer to a request. ctx is that of the request as the server sees it: it is done when the client has gone.
// The request is its body as text, in which the suite looks for what was asked; of a binary protocol, a rendering of it.
func (s *Service) Reply(ctx context.Context, request []byte) Reply {
	s.mu.Lock()
	s.requests = append(s.requests, string(request))
	reply := s.reply
	s.mu.Unlock()
	return reply(ctx, string(request))
}

// answers sets what comes next.
func (s *Service) answers(reply func(ctx context.Context, request string) Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply, s.requests = reply, nil
}

// asked are the requests since answers.
func (s *Service) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

var usage = stages.Usage{InputTokens: 11, OutputTokens: 7}

// says is a reply of these pieces.
func says(pieces ...string) Reply {
	return Reply{Pieces: slices.Values(pieces), Finish: stages.FinishStop, Usage: usage, Model: "model-that-answered"}
}

func always(r Reply) func(context.Context, string) Reply {
	return func(context.Context, string) Reply { return r }
}
