package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Secret is a setting that must not stand in the file itself, an API key, say. In the file it is a reference:
//
//	key: {env: API_KEY}
//	key: {file: /run/secrets/api_key}
//
// The white space around what the reference leads to is cut off. Watch follows the file, so that a rotated secret makes its
// plugin anew; a change of the environment is seen by the next reload. However a Secret is printed or encoded, it does not show
// its value. The zero value is an empty secret.
type Secret struct{ value string }

// maxSecret is how long a secret may be, in bytes.
const maxSecret = 64 << 10

// Reveal is the value.
func (s Secret) Reveal() string { return s.value }

// String, GoString and MarshalText hide the value.
func (s Secret) String() string { return "[secret]" }

// GoString is for %#v.
func (s Secret) GoString() string { return "config.Secret{[secret]}" }

// MarshalText is for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// UnmarshalYAML reads a reference and what it leads to. ctx, the decoder's, is how Watch learns of the file.
func (s *Secret) UnmarshalYAML(ctx context.Context, decode func(any) error) error {
	var ref map[string]string
	if err := decode(&ref); err != nil {
		return Showable(errors.New("a secret is given as {env: NAME} or {file: path}, never as itself"))
	}
	name, isEnv := ref["env"]
	path, isFile := ref["file"]
	switch {
	case len(ref) != 1 || !isEnv && !isFile:
		return Showable(errors.New("a secret is given as {env: NAME} or {file: path}, by one of the two"))
	case isEnv:
		v, ok := os.LookupEnv(name)
		if !ok {
			return Showable(fmt.Errorf("the environment variable %s of a secret is not set", name))
		}
		s.value = strings.TrimSpace(v)
		return nil
	}
	v, err := readSecret(path)
	if seen, ok := ctx.Value(secretsKey{}).(secrets); ok {
		seen.note(path, v, err)
	}
	if err != nil {
		return Showable(fmt.Errorf("the file of a secret: %w", err))
	}
	s.value = strings.TrimSpace(v)
	return nil
}

// secretsKey is for the secrets of a context.
type secretsKey struct{}

// secrets are the files that secrets were read from, with what tells one reading from another.
type secrets map[string][sha256.Size]byte

// note keeps what was read. A file that could not be read is kept too: it may come.
func (s secrets) note(path, text string, err error) { s[path] = secretSum(text, err) }

func secretSum(text string, err error) [sha256.Size]byte {
	if err != nil {
		text = err.Error()
	}
	return sha256.Sum256([]byte(text))
}

// changed says whether one of the files would be read otherwise now.
func (s secrets) changed() bool {
	for path, sum := range s {
		if secretSum(readSecret(path)) != sum {
			return true
		}
	}
	return false
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(b) > maxSecret {
		err = fmt.Errorf("%s has more than %d bytes", path, maxSecret)
	}
	return string(b), err
}
