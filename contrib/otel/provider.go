package otel

import (
	"net"
	"strings"

	"github.com/maillon-go/maillon/stages"
)

// hosts are services that have a name in the conventions, by the end of their host's name.
var hosts = []struct{ suffix, name string }{
	{"api.openai.com", "openai"},
	{".openai.azure.com", "azure.ai.openai"},
	{".services.ai.azure.com", "azure.ai.inference"},
	{"api.anthropic.com", "anthropic"},
	{"generativelanguage.googleapis.com", "gcp.gemini"},
	{"aiplatform.googleapis.com", "gcp.vertex_ai"},
	{"api.cohere.com", "cohere"},
	{"api.deepseek.com", "deepseek"},
	{"api.groq.com", "groq"},
	{"api.mistral.ai", "mistral_ai"},
	{"api.perplexity.ai", "perplexity"},
	{"api.x.ai", "x_ai"},
}

// provider is gen_ai.provider.name: what the settings say, the name in the conventions of a host that is known, what the
// backend says unless that is a host, or the backend's name.
func (p *Plugin) provider(b stages.Backend) string {
	if name := p.providers[b.Provider]; name != "" {
		return name
	}
	if strings.HasPrefix(b.Provider, "bedrock") && strings.HasSuffix(b.Provider, ".amazonaws.com") {
		return "aws.bedrock"
	}
	for _, h := range hosts {
		if strings.HasSuffix(b.Provider, h.suffix) {
			if h.name == "x_ai" && p.conv.old {
				return "xai"
			}
			return h.name
		}
	}
	if b.Provider == "" || b.Provider == "localhost" || net.ParseIP(b.Provider) != nil || strings.Contains(b.Provider, ".") {
		return b.Name
	}
	return b.Provider
}
