package config

import (
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
// The white space around what the reference leads to is cut off. However a Secret is printed or encoded, it does not show
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

// UnmarshalYAML reads a reference and what it leads to.
func (s *Secret) UnmarshalYAML(decode func(any) error) error {
	var ref map[string]string
	if err := decode(&ref); err != nil {
		return showable{errors.New("a secret is given as {env: NAME} or {file: path}, never as itself")}
	}
	name, isEnv := ref["env"]
	path, isFile := ref["file"]
	switch {
	case len(ref) != 1 || !isEnv && !isFile:
		return showable{errors.New("a secret is given as {env: NAME} or {file: path}, by one of the two")}
	case isEnv:
		v, ok := os.LookupEnv(name)
		if !ok {
			return showable{fmt.Errorf("the environment variable %s of a secret is not set", name)}
		}
		s.value = strings.TrimSpace(v)
		return nil
	}
	v, err := readSecret(path)
	if err != nil {
		return showable{fmt.Errorf("the file of a secret: %w", err)}
	}
	s.value = strings.TrimSpace(v)
	return nil
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
