# make test is everything that CI runs; make check is its quick part, without services.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.PHONY: help deps fmt lint vuln check test docs bench fuzz screens release

# The race detector, but for what others wrote in Go that C or assembly does elsewhere: SQLite and password hashing would
# take three times as long, and their locks are watched all the same.
RACE := -race -gcflags=modernc.org/...=-race=false -gcflags=golang.org/x/crypto/...=-race=false

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

deps: ## installs the programs that tests need and that are missing
	@scripts/deps

fmt:
	@bad=$$(gofmt -l .) && if [ -n "$$bad" ]; then echo "not formatted (gofmt -w):"; echo "$$bad"; exit 1; fi

lint: fmt
	go mod verify
	go vet ./...
	cd third_party/oryx && go vet ./...
	go tool staticcheck ./...

vuln:
	scripts/vulncheck

check: lint ## format, vet, static analysis, tests without PostgreSQL and browser
	quick=$$(go list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... \
		| grep -vE 'internal/dbxtest|chromedp' | cut -d ' ' -f 1) && go test -vet=off -timeout 5m $$quick

test: deps lint vuln ## everything: check, vulnerabilities, both databases, browser, race detector
	@go run ./internal/secrows
	TMPDIR=$$(scripts/scratch) go test $(RACE) -vet=off -timeout 20m ./...

docs: ## renews docs/security-tests.md and docs/interop.md
	go run ./internal/secrows -write
	go test ./interop -args -write

bench: ## benchmarks
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## every fuzz target for FUZZTIME (20s)
	scripts/fuzz

screens: deps ## pictures of all pages into docs/screens
	go test ./e2e -run '^TestScreens$$' -count=1 -timeout 10m -screens "$(CURDIR)/docs/screens"

release: ## static binaries for four platforms and their checksums into dist
	scripts/release
