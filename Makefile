# Every target sets up what it needs; a second run costs next to nothing.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
# One more than there are cores: tests of real processes wait now and then.
TESTERS = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
ARGS ?=
# Compiled once, not at every start.
export PYTHONDONTWRITEBYTECODE =
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -q

.PHONY: help demo test check bench soak lock schema locales setup clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/run.stamp ## Set up, import the sample workbook step by step, then serve (ARGS="--no-serve --json")
	@$(BIN)/finview demo $(ARGS)

test: $(VENV)/test.stamp ## Run the test suite (ARGS="-k name")
	$(BIN)/python -m pytest -n $(TESTERS) $(ARGS)

check: $(VENV)/check.stamp ## Lint, types, layers, schema and catalogue drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m finview.testing.drift

bench: $(VENV)/test.stamp ## Run the benchmarks and print their figures
	$(BIN)/python benchmarks/imports/speed.py $(ARGS)
	$(BIN)/python benchmarks/imports/mapping.py
	$(BIN)/python benchmarks/graphql/speed.py
	$(BIN)/python benchmarks/cases/speed.py
	$(BIN)/python benchmarks/jobs/speed.py
	$(BIN)/python benchmarks/jobs/timers.py
	$(BIN)/python benchmarks/jobs/launch.py

soak: $(VENV)/test.stamp ## Run the long battery: kills, races, lost brokers, at full counts
	FINVIEW_BATTERY=full $(BIN)/python -m pytest tests/battery tests/jobs/test_carriers.py $(ARGS)

lock: ## Renew the three hashed lock files (needs uv)
	$(COMPILE) pyproject.toml --group build -o requirements.lock $(ARGS)
	$(COMPILE) pyproject.toml --group test -c requirements.lock -o test.lock $(ARGS)
	$(COMPILE) --group check -c test.lock -o check.lock $(ARGS)

schema: $(VENV)/run.stamp ## Write schema.graphql from the code
	$(BIN)/finview schema > schema.graphql.new && mv schema.graphql.new schema.graphql

locales: $(VENV)/run.stamp ## Collect the messages of the code and update the catalogues
	$(BIN)/python -m finview.testing.locales

setup: $(VENV)/check.stamp $(VENV)/test.stamp ## Set up everything without running anything

clean: ## Remove the virtual environment and what the demo left
	rm -rf $(VENV) .venv.boot var

# Some systems ship Python without ensurepip: then virtualenv, fetched by pip, makes the environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "finview needs Python 3.11 or newer: make PYTHON=python3.x" >&2; exit 1; }
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV) && \
	  $(PYTHON) -m pip install -q --target .venv.boot virtualenv && \
	  PYTHONPATH=.venv.boot $(PYTHON) -m virtualenv -q $(VENV); }

# An editable install cannot go through --require-hashes, hence two calls.
$(VENV)/run.stamp: $(BIN)/python requirements.lock pyproject.toml $(wildcard plugins/*/pyproject.toml)
	@$(PIP) install --require-hashes --no-compile -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --no-compile -e . $(foreach plugin,$(wildcard plugins/*/pyproject.toml),-e ./$(dir $(plugin)))
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp test.lock
	@$(PIP) install --require-hashes --no-compile -r test.lock
	@touch $@

$(VENV)/check.stamp: $(VENV)/test.stamp check.lock
	@$(PIP) install --require-hashes --no-compile -r check.lock
	@touch $@
