# One place for the commands; `make help` lists them. Everything runs in .venv, installed from the lock with hashes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test check format lock generate

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

setup: $(STAMP) ## make .venv and install from the lock

demo: setup ## run the main job on the demo video: capture, submit, look up, wait, compare
	$(BIN)/sightline demo

test: setup ## run all tests
	$(BIN)/python -m pytest

check: setup ## format, lint, types, import rules, contract drift: what CI runs before the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.generate --check

format: setup ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: setup ## write schemas, examples and the AsyncAPI document from the contracts
	$(BIN)/python -m contracts.generate

lock: ## resolve the dependencies again and write requirements.txt with hashes
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate --python-version 3.11 --universal -o requirements.txt
