// Package tiktoken counts tokens for package budget with the vocabularies of OpenAI's models.
//
//	s.Estimator = tiktoken.Estimator{}
//	b, err := budget.New(s)
//
// It is a module of its own because the vocabularies make a program megabytes larger. A vocabulary is loaded when it is first
// used, and stays in memory.
package tiktoken
