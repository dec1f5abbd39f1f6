# `make run ARGS='scrape https://example.org'` and `make test` set up all they need, each time only what changed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?= --help
TESTS  ?=
# What hatch_build.py compiles; see pyproject.toml.
COMPILED := $(wildcard src/mediascrape/scrape/extract/*.py src/mediascrape/scrape/extract/*.[ch]) src/mediascrape/scrape/urls.py src/mediascrape/scrape/_urls.c

.DEFAULT_GOAL := help
.PHONY: help run test check format settings screenshots lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.package ## run mediascrape: make run ARGS='scrape https://example.org'
	@$(BIN)/mediascrape $(ARGS)

test: $(VENV)/.dev $(VENV)/.package ## check style and types, then run all tests (TESTS=path for some of them)
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.dev ## style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## rewrite the sources in the house style
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

settings: $(VENV)/.package ## write docs/settings.md from the settings themselves
	$(BIN)/python -m mediascrape.variables > docs/settings.md

screenshots: $(VENV)/.dev $(VENV)/.package ## take the pictures in docs/img anew (needs Chromium)
	PYTHONPATH=tests $(BIN)/python -m browser.screenshots

lock: $(VENV)/.dev ## pin the newest allowed version of every dependency
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command 'make lock' --group build pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command 'make lock' --all-extras --group build --group dev pyproject.toml \
	  -c requirements/run.lock -o requirements/dev.lock

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src -name '*.so' -delete

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mediascrape needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.run: pyproject.toml requirements/run.lock | $(VENV)/bin/python
	@echo "Installing pinned dependencies into $(VENV) (once)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@touch $@

$(VENV)/.package: pyproject.toml hatch_build.py $(COMPILED) | $(VENV)/.run
	@echo "Compiling the extractor, if there is a C compiler (half a minute; COMPILE_EXTRACTOR=0 leaves it out)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: pyproject.toml requirements/dev.lock | $(VENV)/bin/python
	@echo "Installing pinned development dependencies into $(VENV) (once)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@ $(VENV)/.run
