# Everything a newcomer runs. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.9
BIN := .venv/bin
STAMP := .venv/.installed
DEMO_HOME ?= axiom-demo
# uv from the PATH, else a private copy in .uv (no system package is touched)
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

.PHONY: help install lock docs proto demo test test-fast check lint types imports format bench bench-quick serve clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  %-12s %s\n", $$1, $$2}'

install: $(STAMP)  ## make .venv from requirements.lock (installs uv if it is missing)

.uv/bin/uv:
	python3 -m venv .uv && .uv/bin/python -m pip install -q "uv>=$(UV_VERSION)"

$(STAMP): requirements.lock pyproject.toml | $(filter .uv/bin/uv,$(UV))
	[ -x $(BIN)/python ] || $(UV) venv -q --python '>=3.11' .venv
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

lock:  ## pin all dependencies anew, with hashes and without addresses
	$(UV) pip compile pyproject.toml -q --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url -o requirements.lock

docs: install  ## write docs/reference.md from the code
	$(BIN)/python -m axiom.cli.reference > docs/reference.md

proto: install  ## generate the gRPC code from the .proto file
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. --pyi_out=. axiom/serve/predict/proto/axiom_predict.proto

demo: install  ## a synthetic company through every stage, to live scores
	AXIOM_HOME=$(DEMO_HOME) $(BIN)/axiom demo

test: install  ## the whole test suite
	$(BIN)/pytest

test-fast: install  ## the tests that need neither Ray nor a server
	$(BIN)/pytest -m 'not ray and not services'

check: lint types imports  ## lint, types and import rules

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports --no-logo

format: install  ## format the code
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: install  ## every benchmark, each against its peer in the same run
	for file in benchmarks/*.py; do $(BIN)/python $$file; done

bench-quick: install  ## the same at small sizes
	for file in benchmarks/*.py; do $(BIN)/python $$file --quick; done

serve: install  ## serve scores over HTTP (needs a scored AXIOM_HOME: `make demo` first, or your own)
	$(BIN)/axiom serve

clean:  ## remove what make made
	rm -rf .venv .uv $(DEMO_HOME) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
