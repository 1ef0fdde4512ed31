# One place for the commands; `make help` lists them. Everything runs in .venv, installed from the lock with hashes.
PYTHON ?= python3
VENV := .venv
# Each test process starts servers of its own.
TEST_PROCESSES ?= 2
BIN := $(VENV)/bin
# Two locks, one environment: what running takes, and what tests and checks take beside it.
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-tests
# Room for every kind of fault at least once.
DRILL_SECONDS ?= 140
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE = uv pip compile --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate --python-version 3.11 --universal
# Every image has both drivers; whoever needs neither runs without images.
IMAGE_LOCK = --extra rabbitmq --extra mongodb --constraints requirements-dev.txt -o infra/docker/requirements

.PHONY: help setup setup-tests demo test images test-containers drill check format servers generate lock bench

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements.txt pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(TEST_STAMP): requirements-dev.txt pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) --require-hashes -r requirements-dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

setup: $(RUN_STAMP) ## make .venv and install what running takes, from the lock

setup-tests: $(TEST_STAMP) ## add what tests and checks take

demo: setup ## run the main job on the demo video: capture, submit, look up, wait, compare
	$(BIN)/sightline demo

test: setup-tests ## run all tests, with a real RabbitMQ and a real MongoDB
	$(BIN)/python -m infra.local.install --for-tests
	$(BIN)/python -m tests.support.clients
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES)

images: ## build the images of the services, and print their sizes; needs a Docker engine
	infra/images/build.sh

test-containers: setup-tests images ## run the platform as containers, with infra/compose.yaml
	$(BIN)/python -m pytest -m containers tests/e2e/test_containers.py

drill: setup-tests ## break the platform under load, look at its memory, run the tests that take minutes
	$(BIN)/python -m infra.local.install --for-drill
	$(BIN)/sightline drill --seconds $(DRILL_SECONDS)
	$(BIN)/sightline drill --soak --report drill-report/soak
	$(BIN)/python -m pytest -m drill

check: setup-tests ## format, lint, types, import rules, contract drift: what CI runs before the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.generate --check
	$(BIN)/python -m infra.compose.edge --check

format: setup-tests ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

servers: setup-tests ## start a RabbitMQ and a MongoDB for development; Ctrl-C ends them
	$(BIN)/python -m infra.local.install
	$(BIN)/python -m infra.local

generate: setup-tests ## write schemas, examples, the AsyncAPI document and the proxy's configuration from the contracts
	$(BIN)/python -m contracts.generate
	$(BIN)/python -m infra.compose.edge

lock: ## resolve the dependencies again and write the locks with hashes
	$(COMPILE) pyproject.toml --extra dev -o requirements-dev.txt
	$(COMPILE) pyproject.toml --extra build --extra embedded --constraints requirements-dev.txt -o requirements.txt
	$(COMPILE) benchmarks/peer/requirements.in --constraints requirements-dev.txt -o benchmarks/peer/requirements.txt
	for role in submitter inference search result_store gateway; do \
		$(COMPILE) pyproject.toml --extra $$role $(IMAGE_LOCK)/$$role.txt || exit 1; \
	done
	$(COMPILE) pyproject.toml --extra embedded $(IMAGE_LOCK)/all.txt
	echo hatchling | $(COMPILE) - --constraints requirements-dev.txt -o infra/docker/requirements/build.txt

bench: setup-tests ## measure the platform against the bare model and Celery, its growth, the search; writes benchmarks/results and docs
	$(BIN)/python -m infra.local.install
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.ephemeris
