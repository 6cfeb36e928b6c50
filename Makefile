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

LOCK := -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url
IMAGE_EXTRAS := mysql xgboost mlflow traces
# Processes that share the tests; Ray, servers and jobs have processes of their own besides.
TESTERS ?= 2
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $(TESTERS) --no-loadscope-reorder
WORKERS ?= 0
BACKUP ?= axiom-backup.jsonl.gz
ENV_FILE := docker/.env
COMPOSE := WORKERS=$(WORKERS) docker compose --env-file $(ENV_FILE) -f docker/compose.yaml
# Commands about the database go to the service of `make up` once there is one, else to AXIOM_HOME of this shell.
AXIOM := $(if $(wildcard $(ENV_FILE)),$(COMPOSE) exec -T axiom axiom,$(BIN)/axiom)

.PHONY: help install lock docs proto demo test test-fast check lint types imports format bench bench-quick serve clean \
	dashboards image image-debian up down restart status logs db-backup db-restore db-shell redis-shell

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
	$(UV) pip compile pyproject.toml $(LOCK) --all-extras -o requirements.lock
	$(UV) pip compile pyproject.toml $(LOCK) $(IMAGE_EXTRAS:%=--extra %) -c requirements.lock --no-annotate --no-header -o docker/requirements.lock
	echo hatchling | $(UV) pip compile - $(LOCK) -c requirements.lock --no-annotate --no-header -o docker/build.lock

docs: install  ## write docs/reference.md from the code
	$(BIN)/python -m axiom.cli.reference > docs/reference.md

proto: install  ## generate the gRPC code from the .proto file
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. --pyi_out=. axiom/serve/predict/proto/axiom_predict.proto

demo: install  ## a synthetic company through every stage, to live scores
	AXIOM_HOME=$(DEMO_HOME) $(BIN)/axiom demo

test: install  ## the whole test suite, in two processes (TESTERS=4: in four)
	$(PYTEST)

test-fast: install  ## the tests that need neither Ray nor a server
	$(PYTEST) -m 'not ray and not services'

check: lint types imports operations  ## lint, types, import rules, image, workflows, alert rules

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports --no-logo

operations: install  ## check image, workflows and alert rules
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml
	$(BIN)/zizmor --offline --quiet --no-progress .github
	@if command -v actionlint > /dev/null; then actionlint; \
	else echo "actionlint is not installed: workflows are checked by their schema and by zizmor alone"; fi
	@if command -v promtool > /dev/null; then \
	    promtool check config docker/prometheus/prometheus.yml && promtool test rules docker/prometheus/rules_test.yml; \
	else echo "promtool is not installed: alert rules are checked by the tests alone (Debian: apt-get install prometheus)"; fi

format: install  ## format the code
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: install  ## every benchmark, each against its peer in the same run
	for file in benchmarks/*.py; do $(BIN)/python $$file; done

bench-quick: install  ## the same at small sizes
	for file in benchmarks/*.py; do $(BIN)/python $$file --quick; done

serve: install  ## serve scores over HTTP (needs a scored AXIOM_HOME: `make demo` first, or your own)
	$(BIN)/axiom serve

dashboards: install  ## write dashboards, alert rules and docs/metrics.md from the code
	$(BIN)/python -m axiom.observe

image:  ## build the container image
	docker build -f docker/Dockerfile -t axiom:0.1.0-ray2.60.0 .

image-debian:  ## the same by buildah, with bases made from Debian's packages: where no registry of images is reached
	docker/standins.sh
	buildah build --format docker --pull-never --network host --volume /etc/ssl/certs:/etc/ssl/certs:ro \
	    -f docker/Dockerfile -t axiom:0.1.0-ray2.60.0 .

up: $(ENV_FILE)  ## start everything in containers: database, Redis, object store, Axiom, Prometheus, Grafana (WORKERS=2: more nodes)
	$(COMPOSE) up --detach --build --wait

$(ENV_FILE):
	docker/secrets.sh $@

down:  ## stop the containers; data stays in volumes
	$(COMPOSE) down

restart:  ## restart the service; the rest goes on running
	$(COMPOSE) restart axiom worker

status:  ## how the containers and the service are
	$(COMPOSE) ps
	$(COMPOSE) exec -T axiom axiom serve status

logs:  ## follow the logs
	$(COMPOSE) logs --follow --tail 100

db-backup:  ## write the database to BACKUP=axiom-backup.jsonl.gz
	@[ ! -e $(BACKUP) ] || { echo "$(BACKUP) is there already: choose another BACKUP"; exit 1; }
	umask 077; $(AXIOM) db backup - > $(BACKUP).part && mv $(BACKUP).part $(BACKUP)

db-restore:  ## fill an empty database from BACKUP=axiom-backup.jsonl.gz
	$(AXIOM) db restore - < $(BACKUP)

db-shell:  ## SQL prompt in the database
	$(COMPOSE) exec postgres psql --username axiom axiom

redis-shell:  ## prompt of Redis
	$(COMPOSE) exec redis redis-cli

clean:  ## remove what make made
	rm -rf .venv .uv $(DEMO_HOME) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
