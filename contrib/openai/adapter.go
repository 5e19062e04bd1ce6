package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/maillon-go/maillon/session/backendhttp"
	"github.com/maillon-go/maillon/stages"
)

// LoadAdapter has the server load a LoRA adapter, which then answers to its name as a model does. The settings need a
// lora_path, from which the server reads it; others, such as load_inplace, are sent along. It is refused without
// WithCapabilities that have Adapters.
func (b *Backend) LoadAdapter(ctx context.Context, name string, settings stages.Map[any]) error {
	if path, ok := settings.Get("lora_path"); !ok || path == "" {
		return backendhttp.Refused(b.cfg.name, fmt.Sprintf("adapter %q without the setting lora_path", name))
	}
	if _, ok := settings.Get("lora_name"); ok {
		return backendhttp.Refused(b.cfg.name, fmt.Sprintf("the setting lora_name of adapter %q, which has its name already", name))
	}
	return b.adapter(ctx, "load_lora_adapter", name, settings)
}

// UnloadAdapter has the server forget an adapter.
func (b *Backend) UnloadAdapter(ctx context.Context, name string) error {
	return b.adapter(ctx, "unload_lora_adapter", name, stages.Map[any]{})
}

// adapter asks an endpoint of vLLM: see https://docs.vllm.ai/en/latest/features/lora.html.
func (b *Backend) adapter(ctx context.Context, endpoint, name string, settings stages.Map[any]) error {
	if !b.cfg.can.Adapters || name == "" {
		return backendhttp.Refused(b.cfg.name, fmt.Sprintf("adapter %q", name))
	}
	body, err := json.Marshal(settings.With("lora_name", name))
	if err != nil {
		return backendhttp.Refused(b.cfg.name, fmt.Sprintf("settings of adapter %q, which have no JSON form", name))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.cfg.baseURL.JoinPath(endpoint).String(), bytes.NewReader(body))
	if err != nil {
		return backendhttp.TransportError(ctx, b.cfg.name, err)
	}
	req.Header = b.cfg.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	if b.cfg.key != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+b.cfg.key)
	}
	res, err := b.client.Do(req)
	if err != nil {
		return backendhttp.TransportError(ctx, b.cfg.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(res.Body)
	if res.StatusCode >= 400 {
		p := problemIn(string(said))
		if p == nil {
			p = &problem{}
		}
		return b.refused(nil, res, p)
	}
	if err != nil {
		return backendhttp.TransportError(ctx, b.cfg.name, err)
	}
	if res.StatusCode >= 300 {
		return backendhttp.StatusError(b.cfg.name, res, "")
	}
	return nil
}
