# make test is everything that CI runs; make check is its quick part, without services.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.PHONY: help deps fmt lint vuln check test race docs bench gobench fuzz torture torture-short screens release

# The race detector watches all packages but a few that hold it up most and have nothing to tell: SQLite's translated C, whose
# memory it does not see, and what works on its caller's values alone: hashes, codes and the reader of YAML. Nor does it wait a
# second at the end of a program for goroutines that end with it.
export GORACE := atexit_sleep_ms=0
# None of these uses sync.Map or other generic code of the standard library that waits: the linker keeps one copy of such code for
# everybody, and an unwatched one would make it see races that are none.
unwatched := modernc.org/sqlite/lib modernc.org/libc/... modernc.org/memory golang.org/x/crypto/argon2 go.yaml.in/yaml/... \
	github.com/pquerna/otp/... encoding/base32
RACE := -race $(foreach package,$(unwatched),'-gcflags=$(package)=-race=false -d=checkptr=0')

# What runs the whole program, and what only reads: without the race detector, which has watched the packages that they go through.
WHOLE := '/(bench|cmd/idp|conformance|interop|examples/.*|internal/arch|templates|e2e|replicas)$$'

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

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
	TMPDIR=$$(scripts/scratch) go test $(RACE) -p 3 -vet=off -timeout 20m $$(go list ./... | grep -vE $(WHOLE)) # many of them wait for a disk or a clock
	TMPDIR=$$(scripts/scratch) go test -vet=off -timeout 20m -skip '^TestFirstTenMinutes$$' $$(go list ./... | grep -E $(WHOLE))
	@TMPDIR=$$(scripts/scratch) go test -vet=off -timeout 5m -v ./e2e -run '^TestFirstTenMinutes$$' # says how many clicks it took

race: deps ## the whole program with the race detector: three times as slow, and the packages it goes through have been watched by test
	TMPDIR=$$(scripts/scratch) go test $(RACE) -vet=off -timeout 30m $$(go list ./... | grep -E $(WHOLE))

docs: ## renews docs/security-tests.md and docs/interop.md
	go run ./internal/secrows -write
	go test ./interop -args -write

bench: deps ## what operations cost, beside other providers: renews docs/performance.md
	go run ./bench -write

gobench: ## benchmarks of packages
	go test -run '^$$' -bench . -benchmem ./...

torture: deps ## every experiment that breaks or races something (TestFault_…), in its long form: an hour or more
	IDP_TORTURE=1 TMPDIR=$$(scripts/scratch) go test -v -vet=off -count=1 -timeout 3h -p 1 -run '^TestFault_' ./...

torture-short: deps ## the same in the short form that is part of test
	TMPDIR=$$(scripts/scratch) go test -vet=off -count=1 -timeout 20m -run '^TestFault_' ./...

fuzz: ## every fuzz target for FUZZTIME (20s)
	scripts/fuzz

screens: deps ## pictures of all pages into docs/screens
	go test ./e2e -run '^Test(Console)?Screens$$' -count=1 -timeout 20m -screens "$(CURDIR)/docs/screens"

release: ## static binaries for four platforms and their checksums into dist
	scripts/release
