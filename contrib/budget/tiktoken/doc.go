// Package tiktoken counts tokens for package budget with the vocabularies of OpenAI's models.
//
//	s.Estimator = tiktoken.Estimator{}
//	b, err := budget.New(s)
//
// It is a module of its own because the vocabularies add 8 MB to a program, and about 40 MB of memory each from their first
// use on.
package tiktoken
