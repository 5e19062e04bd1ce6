module github.com/maillon-go/maillon/examples/live

go 1.26.0

replace (
	github.com/maillon-go/maillon => ../..
	github.com/maillon-go/maillon/contrib/openai => ../../contrib/openai
)

require (
	github.com/maillon-go/maillon v0.0.0-00010101000000-000000000000
	github.com/maillon-go/maillon/contrib/openai v0.0.0-00010101000000-000000000000
	go.uber.org/goleak v1.3.0
	go.uber.org/zap v1.28.0
)

require (
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/google/jsonschema-go v0.4.3 // indirect
	github.com/openai/openai-go/v3 v3.98.0 // indirect
	github.com/samber/lo v1.53.0 // indirect
	github.com/sony/gobreaker/v2 v2.4.0 // indirect
	github.com/tidwall/gjson v1.20.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
	github.com/tidwall/sjson v1.2.5 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)
