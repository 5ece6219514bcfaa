# Every target works on a machine with Python >= 3.11 and make: the environment is made on first
# use and made anew when pyproject.toml changes. `make PYTHON=/path/to/python` names another one.

PYTHON ?= $(shell .ci/pythons --oldest 3.11)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VERSIONS := 3.11 3.12 3.13
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
PYTEST_ARGS ?=

.PHONY: help demo test test-here test-versions check fix types cov planted bench clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(READY) ## store, change and query 28,000 airports in a SQLite file
	$(BIN)/uow demo

test: test-here test-versions ## run every test on this Python, then on each other version found

test-here: $(READY)
	.ci/test $(VENV) $(PYTEST_ARGS)

test-versions: $(READY)
	.ci/test-versions $(BIN)/python $(VERSIONS) -- $(PYTEST_ARGS)

check: $(READY) ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory types

fix: $(READY) ## repair what the linter can, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## mypy strict and pyright strict
	$(BIN)/mypy
	$(BIN)/pyright

cov: $(READY) ## run every test with branch coverage; the report is in htmlcov/
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --quiet --numprocesses auto $(PYTEST_ARGS); failed=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage html --quiet && $(BIN)/coverage report; \
	exit $$failed

planted: $(READY) ## plant defects into a copy of the source and see the tests catch them
	$(BIN)/python -m tests.planted

bench: $(READY) ## measure the performance budget
	$(BIN)/python -m benchmarks

clean: ## remove the environments and what the tools left
	rm -rf .venv .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage*

# The stamp is written last: an install that was cut short is done again.
$(READY): pyproject.toml
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) --upgrade 'pip>=25.1'
	$(BIN)/python $(PIP_INSTALL) --editable '.[demo]' --group dev
	touch $(READY)
