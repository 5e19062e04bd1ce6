package openai

import (
	"encoding/json"
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// TokenLogProb is a token of an answer and how likely the model found it.
type TokenLogProb struct {
	Token   string         `json:"token"`
	LogProb float64        `json:"logprob"`                // natural logarithm of the probability
	Top     []TokenLogProb `json:"top_logprobs,omitempty"` // the likeliest tokens at this place, as far as asked for
}

// LogProbs reads the log-probabilities from the Raw of an output. There are none unless the extra option logprobs was true.
func LogProbs(raw stages.JSON) ([]TokenLogProb, error) {
	var c struct {
		Choices []struct {
			Logprobs struct {
				Content []TokenLogProb `json:"content"`
			} `json:"logprobs"`
		} `json:"choices"`
	}
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		return nil, fmt.Errorf("openai: log-probabilities: %w", err)
	}
	if len(c.Choices) == 0 {
		return nil, nil
	}
	return c.Choices[0].Logprobs.Content, nil
}
