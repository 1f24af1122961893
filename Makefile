GO    ?= go
# Everything but the tests against real peers.
UNITS  = $(shell $(GO) list ./... | grep -v /e2e)
# How long each fuzz target runs.
FUZZTIME ?= 60s
IMAGE ?= callseal

# Flags of the bench, like BENCH='--duration 5m', CHAOS='--seed 7' or MEDIA='--rounds 1 --calls 200' or MEMORY='--rounds 3'.
BENCH ?= --speed 10
CHAOS ?=
MEDIA ?=
SIP ?=
MEMORY ?=

.PHONY: help build demo peers test check lint race attacks fuzz bench bench-chaos bench-peers bench-media bench-sip bench-memory image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## both binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

demo: ## TLS+SRTP calls through callseal between built-in endpoints
	$(GO) run ./cmd/callseal demo

peers: ## install the peers of the end-to-end tests (root, Debian 12)
	e2e/peers/install.sh

test: peers bench-peers ## all tests, those against real peers too
	CALLSEAL_REQUIRE_PEERS=1 $(GO) test -p 1 -timeout 45m ./...

check: lint ## what to run before a commit: format, vet, lint, unit tests
	$(GO) test -timeout 5m $(UNITS)

lint: ## gofmt, go vet, golangci-lint
	@unformatted="$$(gofmt -l cmd signaling media sdp bench e2e)"; \
		[ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	$(GO) vet ./...
	"$$(.ci/tools.sh)/golangci-lint" run ./...

race: ## unit tests under the race detector
	$(GO) test -race -timeout 20m $(UNITS)

attacks: ## every attack of docs/security.md, with what it counted
	$(GO) test -count=1 -v -run "^($$(grep -o 'Test[A-Z][A-Za-z0-9]*' docs/security.md | sort -u | paste -sd '|'))\$$" ./media/... ./signaling/... ./cmd/callseal

fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz.sh $(FUZZTIME)

bench: build ## a VICIdial house for a minute through callseal, with the report in bin/bench.html
	bin/callseal-bench self run vicidial-s --json bin/bench.json --report bin/bench.html $(BENCH)

bench-chaos: build ## 10,000 random calls through callseal: TLS connections are cut, 5 % of UDP is lost, every call must end clean
	bin/callseal-bench self --caller tls --answerer udp run chaos --calls 5000 --json bin/bench-chaos-1.json $(CHAOS)
	bin/callseal-bench self --caller udp --answerer tls run chaos --calls 5000 --json bin/bench-chaos-2.json $(CHAOS)

bench-peers: ## install rtpengine and Kamailio, to measure against (root, Debian 12)
	bench/peers/install.sh

bench-media: build bench-peers ## CPU per relayed packet: callseal, rtpengine, a bare UDP relay
	bench/peers/quiet.sh bin/callseal-bench versus-media --json bin/bench-media.json $(MEDIA)

bench-sip: build bench-peers ## CPU per call: callseal, Kamailio
	bench/peers/quiet.sh bin/callseal-bench versus-sip --json bin/bench-sip.json $(SIP)

bench-memory: build ## memory per call of callseal, while 1,000 are up and after them
	bin/callseal-bench memory $(MEMORY)

image: ## the container image
	docker build --tag $(IMAGE) --build-arg REVISION="$$(git rev-parse HEAD)" \
		--build-arg GOPROXY="$$($(GO) env GOPROXY)" --build-arg GOSUMDB="$$($(GO) env GOSUMDB)" .

clean: ## what the targets above made here; the cache of peers and tools stays
	rm -rf bin
