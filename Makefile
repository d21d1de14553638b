# Set-up is part of every target: a fresh clone needs Python 3.11 to 3.13, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/levelfield
PYTEST := $(BIN)/python -m pytest

.PHONY: compare test check lint bench clean help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

compare: $(VENV)/.compare ## run the default suite and write its report
	$(RUN) run default

test: $(VENV)/.test lint ## everything that must pass
	$(PYTEST)

check: $(VENV)/.test lint ## the two-minute part of it, for daily work
	$(PYTEST) -m "not slow and not frameworks and not browser"

bench: $(VENV)/.test ## pytest-benchmark suites: a step, an epoch and a prediction of every adapter
	$(BIN)/python tests/benchmarks/bench.py $(BENCH)

lint: $(VENV)/.test ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "needs Python 3.11 to 3.13, not " + sys.version'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.compare: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q -c constraints.txt -e '.[all]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q -c constraints.txt -e '.[all,test]'
	touch $(VENV)/.compare $@

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist *.egg-info
