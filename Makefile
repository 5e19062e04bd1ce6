# Everything here works on every module of the repository: the root and each nested one (bench/, examples/..., contrib/...).
# Workspaces are off, so that each module is built as its own go.mod says.
export GOWORK := off

MODULES   := $(sort $(patsubst ./%,%,$(patsubst %/go.mod,%,$(shell find . -mindepth 2 \( -name '.*' -o -name testdata -o -name node_modules \) -prune -o -name go.mod -print))))
MODULES   := . $(MODULES)
GOBIN     := $(or $(shell go env GOBIN),$(shell go env GOPATH)/bin)

# make test TESTFLAGS='-run=Guard -v' RACE=off
TESTFLAGS ?=
RACE      ?= auto
SUMMARY   ?=

# make bench-contrib BENCHTIME=1s
BENCHTIME ?= 20ms

# make fuzz FUZZTIME=5m FUZZ=Guard
FUZZTIME  ?= 60s
FUZZ      ?= .

# make bench-compare BASE=main BENCH='Overhead/hooks' ROUNDS=20; make soak SOAKTIME=30s SOAKFLAGS=-save
BASE      ?=
BENCH     ?=
ROUNDS    ?=
SOAKTIME  ?= 10m
SOAKFLAGS ?=

GOLANGCI_LINT         := $(GOBIN)/golangci-lint
GOLANGCI_LINT_VERSION := 2.15.0

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## compile every package and its tests, and run go vet
	@set -e; for dir in $(MODULES); do echo "# module $$dir"; (cd $$dir && go build -o /dev/null ./... && go vet ./...); done

.PHONY: test
test: ## run all tests, with the race detector where a C compiler is found
	@go run ./internal/testall -race=$(RACE) -flags='$(TESTFLAGS)' -summary='$(SUMMARY)' $(MODULES)

.PHONY: lint
lint: lint-install ## run golangci-lint, which checks the formatting (gofumpt, goimports) too
	@set -e; for dir in $(MODULES); do echo "# module $$dir"; (cd $$dir && $(GOLANGCI_LINT) run ./...); done

.PHONY: fmt
fmt: lint-install ## format all Go files
	@$(GOLANGCI_LINT) fmt

.PHONY: lint-install
lint-install:
	@case "$$($(GOLANGCI_LINT) version --short 2>/dev/null)" in \
	$(GOLANGCI_LINT_VERSION)) ;; \
	*) echo "installing golangci-lint $(GOLANGCI_LINT_VERSION) into $(GOBIN)"; \
	   GOBIN=$(GOBIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT_VERSION) ;; \
	esac

.PHONY: bench
bench: ## measure against the bounds: fails where a ratio does not hold
	@cd bench && go run ./gate
	@$(MAKE) --no-print-directory bench-contrib

.PHONY: bench-contrib
bench-contrib: ## the price of each plugin, which is no bound: BENCHTIME=1s for exact figures
	@set -e; for dir in contrib contrib/otel contrib/audit/auditsql contrib/budget/tiktoken; do (cd $$dir && go test -run '^$$' -bench '^BenchmarkContrib$$' -benchtime $(BENCHTIME) ./... | grep '^Benchmark'); done

.PHONY: bench-compare
bench-compare: ## benchmarks beside those of the revision BASE, by benchstat
	@bench/compare '$(BASE)' '$(BENCH)' '$(ROUNDS)'

.PHONY: soak
soak: ## a realistic stack under load with faults for SOAKTIME, and what must hold however it ends
	@cd bench && go run ./cmd/soak -duration $(SOAKTIME) $(SOAKFLAGS)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@.ci/fuzz '$(FUZZ)' '$(FUZZTIME)' $(MODULES)

.PHONY: tidy
tidy: ## go mod tidy in every module
	@set -e; for dir in $(MODULES); do echo "# module $$dir"; (cd $$dir && go mod tidy); done

.PHONY: tidy-check
tidy-check: ## fail where make tidy would change a go.mod or go.sum
	@set -e; for dir in $(MODULES); do echo "# module $$dir"; (cd $$dir && go mod tidy -diff) || { echo "run make tidy, and commit what it changed"; exit 1; }; done
