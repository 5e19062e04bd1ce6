package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The call is blocked before anything could redact it, and yet its record holds no secret. Then somebody makes an allowed call
// of it.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "audit.jsonl")

	plugin, err := audit.New(audit.Settings{
		Path:   path,
		Redact: func(text string) string { return strings.ReplaceAll(text, "tide", "[word]") },
	})
	if err != nil {
		panic(err)
	}
	s, err := session.Start(ctx, session.WithPlugins(plugin,
		chain.Before("closed", func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("not today", chain.Code("closed"))
		})),
		session.WithBackend(session.BackendFunc(stages.Unchanged[*stages.Generation])))
	if err != nil {
		panic(err)
	}
	_, err = s.Instruct(ctx, "the password is tide")
	fmt.Println(err)
	_ = s.Close(ctx)

	r, err := audit.Verify(path, audit.VerifyOptions{})
	fmt.Println(r.Records, "records:", err)
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, `"hook":"generation_pre_call"`) {
			fmt.Println(strings.Contains(line, `"verdict":"blocked","link":"closed","code":"closed"`),
				strings.Contains(line, "the password is [word]"))
		}
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), `"blocked"`, `"allowed"`, 1)), 0o600); err != nil {
		panic(err)
	}
	_, err = audit.Verify(path, audit.VerifyOptions{})
	fmt.Println(errors.Is(err, audit.ErrTampered), strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	// Output:
	// generation/closed: blocked [closed] (error): not today
	// 6 records: <nil>
	// true true
	// true audit: audit.jsonl:3: the hash does not match: the line was changed, or the key is another one
}
