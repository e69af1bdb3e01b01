# What a developer types; `make` alone lists it.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint engines sweep bench sizes clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/.installed-demo ## run the example notebook: three iterations of a model, each one to a verified container
	@$(BIN)/python scripts/demo.py

test: $(VENV)/.installed-test ## everything that must hold: engines made ready, lint, types, architecture, tests
	@scripts/run-tests.sh

lint: $(VENV)/.installed-test ## style, types and architecture only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/front_end.py lint

engines: $(VENV)/.installed-test ## how images are loaded by other Docker and Podman releases (Linux, root)
	@tests/engines/run.sh

sweep: $(VENV)/.installed-test ## every estimator of scikit-learn to a verified container, on the sandbox engine
	@$(BIN)/python tests/sweep

bench: $(VENV)/.installed-demo ## speed, against docker build by hand, MLflow and BentoML: iterating and serving (RUNS=N: rounds)
	@$(BIN)/python benchmarks $(if $(RUNS),--runs $(RUNS))

sizes: $(VENV)/.installed-test ## how large images are, against what is installed; writes docs/models.md
	@$(BIN)/python benchmarks/image_sizes.py --write

clean: ## remove what was built, and caches; .venv stays
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# One stamp for each set of extras: they are installed again when pyproject.toml changes.
$(VENV)/.installed-%: pyproject.toml scripts/install.sh
	@scripts/install.sh "$(PYTHON)" $(VENV) $*
	@touch $@
