# make test is everything that CI runs; make check is its quick part, without services.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.PHONY: help deps fmt lint vuln check test race docs bench fuzz screens release

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
	TMPDIR=$$(scripts/scratch) go test -race -vet=off -timeout 20m $$(go list ./... | grep -v /e2e$$)
	TMPDIR=$$(scripts/scratch) go test -vet=off -timeout 20m ./e2e -skip '^TestFirstTenMinutes$$'
	@TMPDIR=$$(scripts/scratch) go test -vet=off -timeout 5m -v ./e2e -run '^TestFirstTenMinutes$$' # says how many clicks it took

race: deps ## e2e with the race detector: three times as slow, and the packages it goes through have been watched by test
	TMPDIR=$$(scripts/scratch) go test -race -vet=off -timeout 30m ./e2e

docs: ## renews docs/security-tests.md and docs/interop.md
	go run ./internal/secrows -write
	go test ./interop -args -write

bench: ## benchmarks
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## every fuzz target for FUZZTIME (20s)
	scripts/fuzz

screens: deps ## pictures of all pages into docs/screens
	go test ./e2e -run '^Test(Console)?Screens$$' -count=1 -timeout 20m -screens "$(CURDIR)/docs/screens"

release: ## static binaries for four platforms and their checksums into dist
	scripts/release
