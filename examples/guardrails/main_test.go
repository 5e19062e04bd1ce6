package main

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/output.txt")

func TestOutput(t *testing.T) {
	var b strings.Builder
	if err := run(t.Context(), &b, t.TempDir(), zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if *update {
		if err := os.WriteFile("testdata/output.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What people wrote is in no log, however much is logged, and in no file.
func TestNothingLeaks(t *testing.T) {
	var logs, out bytes.Buffer
	dir := t.TempDir()
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&logs), zap.DebugLevel))
	if err := run(t.Context(), &out, dir, logger); err != nil {
		t.Fatal(err)
	}
	written := map[string]string{"the log": logs.String()}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".yaml" {
			return err
		}
		b, err := os.ReadFile(path)
		written[filepath.Base(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(written["audit.jsonl"]) == 0 || len(written["the log"]) == 0 {
		t.Fatalf("nothing was written: %v", written)
	}
	for name, text := range written {
		secrets := []string{"ines@harbour.example", "4111 1111 1111 1111"}
		if name == "the log" { // contents belong into the audit, redacted, but not into the log
			secrets = append(secrets, "sentence", "Project Osprey", "harbour")
		}
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s has %q: ...%s", name, secret, text[max(0, i-100):min(len(text), i+50)])
			}
		}
	}
}
