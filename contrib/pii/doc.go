// Package pii finds personal data and secrets in text, and keeps them from models, histories, logs and readers.
//
// A Plugin redacts what goes to a model, what it answers, streamed or not, and what tools are given and say:
//
//	p, err := pii.New(pii.Settings{Action: pii.Token, Actions: map[string]pii.Action{pii.Card: pii.Block}})
//	s, err := session.Start(ctx, session.WithBackend(b), session.WithPlugins(p))
//
// With the action Token the originals are in a Vault of the caller, and nowhere else:
//
//	vault := pii.NewVault(0)
//	res, err := s.Instruct(pii.WithVault(ctx, vault), "Write to ann@example.com.")
//	text := vault.Restore(res.Text()) // the only place where the address is put back
//
// A Scanner does the same to any text, for logs, say: pii.Default().Redact(text). It reads the text once, in linear time,
// and uses no regular expressions but those of custom patterns.
//
// What is found is found by its form. It is neither all that is personal (names are not) nor safe against somebody who
// wants to hide something.
package pii
