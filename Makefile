# Onstage. Every target explains itself: `make help`.
# Caches live outside of the checkout, so that a fresh clone builds fast.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export ONSTAGE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/onstage
export CARGO_TARGET_DIR ?= $(ONSTAGE_CACHE)/target

.PHONY: help demo test check fmt lint unit python browser wheel bench faults gpu build

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  \033[1m%-9s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## build everything, put the examples on stage and keep serving (CHECK=1: verify every answer and exit)
	@scripts/setup.sh build
	@scripts/build.sh release
	@python3 scripts/demo.py --binary "$(CARGO_TARGET_DIR)/release/onstage" $(if $(CHECK),--check,)

test: ## install what tests need and run everything
	@scripts/setup.sh test
	@scripts/test.sh all

check: ## formatting, lints, licenses and types, without running tests
	@scripts/setup.sh test
	@scripts/test.sh static

fmt: ## format all sources
	@scripts/setup.sh test
	cargo fmt --all
	"$(ONSTAGE_CACHE)/tools/bin/ruff" format python templates examples scripts bench
	cd ui && npm run --silent format

unit: ## Rust tests, the end-to-end ones included
	@scripts/setup.sh test
	@scripts/test.sh rust

python: ## tests of the Python SDK
	@scripts/setup.sh test
	@scripts/test.sh python

browser: ## the page in a real browser, against a real server
	@scripts/setup.sh test
	@scripts/test.sh browser

wheel: ## build the wheel, install it into a clean environment and run the quickstart
	@scripts/setup.sh test
	@scripts/test.sh wheel

gpu: ## on a machine with a GPU: who has it, what comes free (PYTHON=…: one that has PyTorch with CUDA)
	@scripts/setup.sh build
	@scripts/build.sh release
	@python3 scripts/gpu.py --binary "$(CARGO_TARGET_DIR)/release/onstage" $(if $(PYTHON),--python "$(PYTHON)",)

bench: ## measure beside peers and write docs/benchmarks.md (ONLY=P1,P3: some; CHECK=1: fail when a target is missed)
	@scripts/setup.sh bench
	@$(if $(filter instructions,$(ONLY)),,scripts/build.sh release)
	@cargo build --locked --release --quiet -p onstage-bench
	@python3 bench/run.py --binary "$(CARGO_TARGET_DIR)/release/onstage" --tools "$(CARGO_TARGET_DIR)/release" $(if $(ONLY),--only $(ONLY),) $(if $(CHECK),--check,) $(if $(UPDATE),--update,)

faults: ## every fault experiment in full, with a table (ONLY=F03,S14: some; WRITE=1: also into docs/faults.md)
	@scripts/setup.sh test
	@scripts/build.sh release
	@python3 scripts/faults.py $(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write)

build: ## build the page and the release binary
	@scripts/setup.sh build
	@scripts/build.sh release
	@echo "built $(CARGO_TARGET_DIR)/release/onstage"
