# The only vocabulary: people and CI call the same targets. `make help` lists them.
# Everything that a target needs is built or installed once, under ~/.cache/sealgate; the second run is fast.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TERM_COLOR ?= auto

CLUSTER := tests/cluster
# Recorded test material of others; tests that need it are ignored where it is not.
export SEALGATE_CORPORA ?= ../shared/corpora
FUZZ_SECONDS ?= 60

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##### See it

.PHONY: demo
demo: rust ## Verdicts on real AdmissionReviews by curl, without a cluster (STAY=1 keeps it running)
	@scripts/install.sh curl=curl
	@echo "demo: building sealgate (the first time takes some minutes)"
	@cargo build --quiet --locked --bin sealgate --example demo
	@"$$CARGO_TARGET_DIR/debug/examples/demo" $(if $(STAY),--stay)

.PHONY: demo-cluster
demo-cluster: rust ## The chart on a real Kubernetes: kind where a container engine answers, else tests/cluster
	@tests/demo/cluster.sh

##### Test it

.PHONY: test
test: unit e2e ## Every test, among them the real API server's and the whole node's
	@echo "test: unit and integration tests, API server tests and chart tests have all passed"

.PHONY: unit
unit: rust $(CLUSTER)/.unit ## Unit and integration tests
	cargo test --locked --lib --test it -- $(if $(wildcard $(SEALGATE_CORPORA)/references.json),--include-ignored)

.PHONY: e2e
e2e: rust ## Against a live API server, then the chart on a whole node (as root); or against SEALGATE_E2E_KUBECONFIG alone
	$(CLUSTER)/e2e.sh

.PHONY: e2e-kind
e2e-kind: rust ## Against the API server of a kind cluster, where a container engine answers
	$(CLUSTER)/kind.sh

.PHONY: bench
bench: rust ## Criterion for the pure parts, then a load test of the release binary
	cargo bench --locked
	@if [ -d dist/image/blobs ]; then echo "image (dist/image): $$(du -b -c dist/image/blobs/sha256/* | awk 'END {printf "%.1f MiB compressed", $$1 / 1048576}')"; else echo "image: not built; make image"; fi

.PHONY: fuzz
fuzz: rust ## Each fuzz target, or TARGET, for FUZZ_SECONDS
	scripts/fuzz.sh $(FUZZ_SECONDS) $(TARGET)

.PHONY: conformance
conformance: rust ## Every recorded case of SEALGATE_CORPORA: right or wrong, and why; fails when one is wrong
	@test -d "$(SEALGATE_CORPORA)" || { echo "make: no recorded test material at $(SEALGATE_CORPORA): set SEALGATE_CORPORA" >&2; exit 1; }
	cargo test --quiet --locked --test it conformance:: -- --include-ignored --nocapture --test-threads 1

.PHONY: flips
flips: rust ## Every bit of a signature in five forms and of all beside it, flipped: what is accepted must be known not to matter
	SEALGATE_EVERY_BIT=1 cargo test --quiet --locked --test it flips:: -- --nocapture

.PHONY: faults
faults: rust ## The release binary under attack, within the chart's limit of memory, and under faults of a whole cluster (as root)
	scripts/faults.sh $(CASE)

.PHONY: mutants
mutants: rust ## Mutation tests of the pure core (SHARD=1/20 for a part): which changes no test notices
	scripts/mutants.sh $(SHARD)

.PHONY: scoreboard
scoreboard: rust ## Which rows of the scoreboard have tests; fails when a claimed one has none
	cargo test --quiet --locked --test it scoreboard:: -- --nocapture

##### Keep it clean

.PHONY: lint
lint: rust $(CLUSTER)/.tools ## Format, clippy, dependencies, shell scripts, chart, generated files
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --lib --features rego -- -D warnings
	scripts/lint.sh

.PHONY: generate
generate: rust $(CLUSTER)/.tools ## CRDs, schema of the chart's values, deploy/install.yaml, reference pages
	scripts/generate.sh .

.PHONY: generate-cosign
generate-cosign: rust $(CLUSTER)/.unit ## docs/reference/cosign.md, by signing and verifying everything with real cosign
	SEALGATE_GENERATE=. cargo test --locked --test it agreement::

##### Ship it

.PHONY: image
image: rust ## The image as an OCI layout in dist/image, without a container engine; prints its digest (CHECK=1 builds twice)
	scripts/image.sh $(if $(CHECK),--check)

.PHONY: clean
clean: ## Removes what was built here (not the cache)
	rm -rf target dist

##### What the targets need

.PHONY: rust
rust:
	@command -v cargo >/dev/null || { echo "make: Rust is missing: https://rustup.rs" >&2; exit 1; }
	@scripts/install.sh cc=gcc,libc6-dev git=git

# The Helm programs that render and lint the chart.
.PHONY: $(CLUSTER)/.tools
$(CLUSTER)/.tools:
	@$(CLUSTER)/build.sh tools

# Those, cosign and a registry.
.PHONY: $(CLUSTER)/.unit
$(CLUSTER)/.unit:
	@$(CLUSTER)/build.sh unit
