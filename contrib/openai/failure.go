package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendhttp"
	"github.com/maillon-go/maillon/stages"
)

// What a BackendTransportError may wrap.
var (
	errNoChoice = errors.New("openai: the response has no choice in it")
	errNotJSON  = errors.New("openai: the response is not JSON, by what it says of itself")
	errCutOff   = errors.New("openai: the stream ended before the answer did")
)

// problem is what a server says went wrong.
type problem struct {
	Message string          `json:"message"`
	Type    string          `json:"type"`
	Code    json.RawMessage `json:"code"` // a word, or a number as HTTP has it
}

// problemIn finds one in a response: in its "error", or at its top where it says of itself that it is one. An "error" may
// be a plain text.
func problemIn(body string) *problem {
	var r struct {
		problem
		Object string          `json:"object"`
		Error  json.RawMessage `json:"error"`
	}
	if json.Unmarshal([]byte(body), &r) != nil {
		return nil
	}
	switch e := bytes.TrimSpace(r.Error); {
	case len(e) > 0 && e[0] == '{':
		var p problem
		_ = json.Unmarshal(e, &p) // what it is good for
		return &p
	case len(e) > 0 && e[0] == '"':
		var p problem
		_ = json.Unmarshal(e, &p.Message)
		return &p
	case r.Object == "error":
		return &r.problem
	}
	return nil
}

// status is the status of HTTP that the code or the type stands for; 0 for an unknown one.
func (p *problem) status() int {
	var n int
	if json.Unmarshal(p.Code, &n) == nil && n >= 400 && n < 600 {
		return n
	}
	switch code := strings.Trim(string(p.Code), `"`); {
	case code == "invalid_api_key", p.Type == "authentication_error", p.Type == "permission_error":
		return http.StatusUnauthorized
	case code == "rate_limit_exceeded", code == "insufficient_quota", p.Type == "rate_limit_error", p.Type == "tokens", p.Type == "requests":
		return http.StatusTooManyRequests
	case p.Type == "invalid_request_error", p.Type == "not_found_error", p.Type == "BadRequestError", p.Type == "NotFoundError":
		return http.StatusBadRequest
	}
	return 0
}

// isContentPolicy says that the provider objects to the content.
func (p *problem) isContentPolicy() bool {
	for _, s := range []string{strings.Trim(string(p.Code), `"`), p.Type} {
		switch s {
		case "content_filter", "content_policy_violation", "content_policy", "ResponsibleAIPolicyViolation", "moderation_blocked":
			return true
		}
	}
	return false
}

// failed sorts out an error of the SDK.
func (b *Backend) failed(ctx context.Context, g *stages.Generation, res *http.Response, err error) error {
	if ctx.Err() == nil && res != nil && res.StatusCode >= 400 {
		var p *problem
		if body, err := io.ReadAll(res.Body); err == nil { // the SDK has read it, and put it back
			p = problemIn(string(body))
		}
		if p == nil {
			p = &problem{}
		}
		return b.refused(g, res, p)
	}
	if ctx.Err() == nil && res != nil && !isTransport(err) {
		if !strings.Contains(res.Header.Get("Content-Type"), "json") && !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
			err = errNotJSON // the SDK's words are about its own code
		}
		return b.noAnswer(res, err)
	}
	return backendhttp.TransportError(ctx, b.cfg.name, err)
}

// isTransport says that err is of reading rather than of what was read.
func isTransport(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) || errors.Is(err, io.ErrUnexpectedEOF)
}

// refused is the error of a server that says what is wrong, by its status or in an answer that has begun.
func (b *Backend) refused(g *stages.Generation, res *http.Response, p *problem) error {
	e := &session.BackendError{Kind: session.BackendServerError, Backend: b.cfg.name, Message: backendhttp.Clean(p.Message, g, b.cfg.key)}
	if res != nil {
		e.Status, e.RetryAfter = res.StatusCode, backendhttp.RetryAfter(res.Header)
	}
	switch said := p.status(); {
	case p.isContentPolicy():
		e.Kind = session.BackendContentPolicy
	case e.Status >= 400:
		e.Kind = backendhttp.KindOf(e.Status)
	case said != 0:
		e.Kind = backendhttp.KindOf(said)
	}
	return e
}

// noAnswer is the error of a response that is not what the protocol knows.
func (b *Backend) noAnswer(res *http.Response, err error) error {
	e := &session.BackendError{Kind: session.BackendTransportError, Backend: b.cfg.name, Err: err}
	if res != nil {
		e.Status = res.StatusCode
	}
	return e
}
