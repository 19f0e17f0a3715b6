# One entry to everything. `make` alone lists the targets. Needs cargo and Python 3.11+ with venv;
# the rest is installed into .venv. CARGO_TARGET_DIR is honoured, as cargo does.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# A fresh rustup installation is not on the PATH of the running shell yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo $$python && exit; done; echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
BUILT := $(VENV)/.built
RUST_VERSION := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock

# Options of the targets.
BUDGET ?= 60s
SEED ?= 1
PYTEST_ARGS ?=
BENCH_ARGS ?= --benchmark-autosave
FUZZ_CALLS ?= 1000000

export VIRTUAL_ENV := $(abspath $(VENV))
unexport PYTHONHOME

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: check-tools
check-tools:
	@command -v cargo >/dev/null || { echo "error: cargo was not found; install Rust" \
		"$(RUST_VERSION) or newer: https://rustup.rs" >&2; exit 1; }
	@have=$$(rustc --version | cut -d' ' -f2); \
		[ "$$(printf '%s\n' "$(RUST_VERSION)" "$$have" | sort -V | head -n1)" = "$(RUST_VERSION)" ] \
		|| { echo "error: expected Rust $(RUST_VERSION) or newer, found $$have; run: rustup update" \
		>&2; exit 1; }
	@command -v cc >/dev/null || { echo "error: no C linker (cc) was found; on Debian run:" \
		"apt install gcc libc6-dev" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) was not found; on Debian run:" \
		"apt install python3 python3-venv; or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: expected Python 3.11 or newer, found $$($(PYTHON) --version);" \
		"name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot create" \
		"virtual environments; on Debian run: apt install python3-venv" >&2; exit 1; }

$(BIN)/python:
	@$(MAKE) --no-print-directory check-tools
	$(PYTHON) -m venv $(VENV)

$(BIN)/maturin: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'maturin>=1.14,<2'

# Editable: Python and kernels are live; only Rust, the manifests and the tools need this step again.
$(BUILT): $(RUST_SOURCES) pyproject.toml | $(BIN)/maturin
	@$(MAKE) --no-print-directory check-tools
	@echo "installing the tools and building the extension; the first build takes minutes"
	PIP_QUIET=1 $(BIN)/maturin develop --release --extras dev
	@touch $@

.PHONY: setup
setup: $(BUILT) ## create .venv, install the tools, build the extension (release)

.PHONY: demo
demo: export CHIMERA_PROJECT = examples/.chimera
demo: setup ## make a bin-packing heuristic better, then look at it (BUDGET=60s SEED=1)
	$(BIN)/chimera improve examples/bin_packing.py --budget $(BUDGET) --seed $(SEED)
	$(BIN)/chimera show
	$(BIN)/chimera history

.PHONY: test
test: test-rust test-python ## run every test

# In release, so that the tests share the build of the extension and test what ships. The binding
# crate has no tests of its own: it cannot link outside an interpreter.
CARGO_TEST_ARGS := --release --workspace --exclude chimera-py
.PHONY: test-rust
test-rust: check-tools
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run $(CARGO_TEST_ARGS) --no-fail-fast --no-tests=pass && \
		cargo test $(CARGO_TEST_ARGS) --doc; \
	else \
		cargo test $(CARGO_TEST_ARGS); \
	fi

.PHONY: test-python
test-python: setup
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: lint
lint: setup ## format, clippy, ruff, mypy, stubtest; typos and cargo-deny where installed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest chimera._chimera
	@if command -v typos >/dev/null; then typos; \
		else echo "typos is not installed: skipped (cargo install typos-cli)"; fi
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
		else echo "cargo-deny is not installed: skipped (cargo install cargo-deny)"; fi

.PHONY: format
format: setup ## format Rust and Python in place
	cargo fmt --all
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: stubs
stubs: setup ## write python/chimera/_chimera/*.pyi from the Rust sources
	$(BIN)/maturin generate-stubs --profile release --out python

.PHONY: bench
bench: setup ## run benches/micro (pass options with BENCH_ARGS)
	$(BIN)/python -m pytest benches/micro --timeout=0 $(BENCH_ARGS)

.PHONY: docs
docs: setup ## build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: wheel
wheel: setup ## build one wheel into dist/
	rm -rf dist
	$(BIN)/maturin build --release --strip --out dist

.PHONY: sdist
sdist: setup ## build the source distribution into dist/
	$(BIN)/maturin sdist --out dist

.PHONY: fuzz
fuzz: setup ## compare compiled programs with CPython on FUZZ_CALLS=1000000 calls
	$(BIN)/python -m tests.property.fuzz --calls $(FUZZ_CALLS) --seed $(SEED)

.PHONY: clean
clean: ## remove everything that make built, .venv included
	cargo clean --quiet -p chimera-core -p chimera-sandbox -p chimera-py
	rm -rf $(VENV) dist site .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find python -name '*.so' -delete
