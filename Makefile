# Set-up is part of every target: a fresh clone needs Python 3.11 to 3.13, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/levelfield
PYTEST := $(BIN)/python -m pytest
# In the order of the folders: sorted by their number of tests, files of one long test would come last, beside idle cores
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

.PHONY: explained compare test check lint bench acceptance versus clean help chaos fuzz soak soak-ray audit gpu-check docs gate-alarms preview

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

compare: $(VENV)/.compare ## run the default suite and write its report
	$(RUN) run default

test: $(VENV)/.test lint ## everything that must pass
	$(PYTEST) $(PARALLEL)

check: $(VENV)/.test lint ## the two-minute part of it, for daily work
	$(PYTEST) $(PARALLEL) -m "not slow and not frameworks and not browser"

bench: $(VENV)/.test ## pytest-benchmark suites: a step, an epoch and a prediction of every adapter
	$(BIN)/python tests/benchmarks/bench.py $(BENCH)

acceptance: $(VENV)/.test ## what levelfield promises of itself, for docs/trust.md: all parts (an hour), or those of ACCEPTANCE
	$(BIN)/python tests/acceptance/acceptance.py $(ACCEPTANCE)

versus: $(VENV)/.test ## pytest-benchmark, pyperf and asv against levelfield: false verdicts and what is found (85 minutes)
	$(BIN)/python tests/acceptance/versus/versus.py $(VERSUS)

explained: $(VENV)/.test ## what five differences are made of, and two experiments, for docs/results/explained.md (a quarter of an hour)
	$(BIN)/python tests/acceptance/explained.py $(EXPLAINED)

gpu-check: ## certify and measure every adapter on an NVIDIA GPU, with the interpreter PYTHON as it is (nothing is installed)
	$(PYTHON) tests/gpu/gpu_check.py $(GPU)

preview: $(VENV)/preview/.ready ## compile every JAX adapter for a TPU and a GPU that are not here, for docs/results/previews.md
	$(VENV)/preview/bin/python tests/previews/previews.py

$(VENV)/preview/.ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/preview
	$(VENV)/preview/bin/python -m pip install --disable-pip-version-check --progress-bar off -q -c constraints.txt \
	  -e '.[jax,flax,keras,preview-tpu,preview-gpu]'
	touch $@

chaos: $(VENV)/.test ## kill, fill, cut and interrupt real runs, and count what is lost (an hour)
	rm -f docs/results/reliability/chaos.json
	$(BIN)/python tests/acceptance/chaos/chaos.py --json docs/results/reliability/chaos.json
	$(BIN)/python tests/acceptance/reliability.py

fuzz: $(VENV)/.test ## 10,000 examples of bad input
	LEVELFIELD_FUZZ=2500 LEVELFIELD_FUZZ_JSON=$(CURDIR)/docs/results/reliability/fuzz.json $(PYTEST) tests/fuzz
	$(BIN)/python tests/acceptance/reliability.py

soak: $(VENV)/.test ## 2,000 launches, and the cost of scheduling 10,000
	$(BIN)/python tests/acceptance/soak/soak.py --json docs/results/reliability/soak.json
	$(BIN)/python tests/acceptance/reliability.py

soak-ray: $(VENV)/.test ## 10,000 launches through a Ray cluster of two nodes on this machine
	$(BIN)/python tests/acceptance/soak/soak_ray.py --json docs/clusters/soak.json

gate-alarms: $(VENV)/.test ## false alarms of a gate between runs of the same, before and after confirming (half an hour)
	$(BIN)/python tests/acceptance/gate_alarms.py $(ALARMS)

docs: $(VENV)/.test ## write the pages that are made from the code
	$(BIN)/python tests/docs/reference.py
	$(BIN)/python tests/docs/fast_modes.py
	$(BIN)/python tests/kit/phrase_book.py

audit: $(VENV)/.test $(VENV)/audit/bin/pip-audit ## known vulnerabilities of what is pinned, and the linter's security rules
	$(BIN)/ruff check --select S --ignore S101,S603 tasks adapters harness reports
	$(PYTEST) tests/security
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r constraints.txt \
	  || { echo "pip-audit found something, or could not reach its service: see above"; exit 1; }

$(VENV)/audit/bin/pip-audit: | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --disable-pip-version-check --progress-bar off -q 'pip-audit>=2.7' \
	  || { rm -rf $(VENV)/audit; echo "pip-audit could not be installed: nothing was audited"; exit 1; }

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
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q -c constraints.txt -e '.[all,test,versus]'
	touch $(VENV)/.compare $@

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist *.egg-info
