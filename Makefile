# Every command of the study; `make` alone lists them. Works with GNU make 3.81 and newer.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
SHELL := /bin/bash

##@ Variables, all optional
## DATA=folder       your photos: <type>/*.jpg, <split>/<type>/*.jpg, COCO or VOC annotations, Stanford Cars,
##                   a COCO .json file, a .csv table, kaggle:owner/slug@version, s3://bucket/folder; default: built-in
## FORMAT=cvat       where the files don't tell: coco, voc, yolo, csv, cvat, label-studio, labelme, supervisely, via, …
## CLASSES="hatchback wagon=estate,kombi"   types and other names, a .yaml file, or `folders`; default: the paper's
## PROFILE=quick     set of settings: smoke, quick, best or paper
## RUN=name          the run and its folder under reports/; default: the profile's name, with the data's if need be
## SEED=0            seed of every random choice
## DEVICE=auto       auto, cpu, cuda or mps
## WEIGHTS=imagenet  initial weights: coco, imagenet, segmenter, none, or a file; default: the profile's
## NPROC=1           processes that train, evaluate and predict
## SET="epochs=3 lr=0.001"   settings that differ from the profile; `make show-config` lists them
## NEGATIVES=folder  photos without a car, to measure false alarms on
## IMAGES=path       for predict: a photo, or a folder of photos
## NUM_IMAGES=8434   for render-dataset: how many photos; they go into a folder rendered-8434, to be named as DATA
## REALISM=full      for render-dataset: plain, light, places or full, each with more realism
## OUT=folder        for render-dataset, export, export-model and archive: where to write
## ARCHIVE=file.zip  for rerun: what make archive wrote
## SAVE="table masks" for predict: page (default), overlays, json, polygons, table, masks, cutouts, coco, coco-rle
## REAL=folder       for sim2real, ablation, train-segmenter and pack-model: photographs to measure on
## SYNTHETIC="rendered-2109-plain full=rendered"   for sim2real: rendered data sets, the last one the most realistic
## JOBS=2            for readings, ablation, generalisation and sim2real: trainings side by side; for render-dataset:
##                   processes, default: one a core
## CLUSTER=tcp://host:8786   for the same: a dask cluster, in place of JOBS
## TABLE=table.csv   for audit: a classification report; default: the paper's Table 1
## N=590             for audit: photos of the report, if known; SET then says rounding=down digits=3 rows=some
## HEADLINE="accuracy=91.2% f1=89.6%"   for audit: the averages that are printed with it
## TORCH=cpu         for setup, on Linux: torch without CUDA
## ADVISORIES=folder for audit-deps: known weaknesses of packages, in OSV's format
## PYTHON=python3.12 the Python that .venv is made with; 3.11 or newer
VARIABLES := DATA CLASSES FORMAT PROFILE RUN SEED DEVICE WEIGHTS NPROC SET NEGATIVES IMAGES NUM_IMAGES REALISM OUT \
	ARCHIVE SAVE REAL SYNTHETIC JOBS CLUSTER TABLE N HEADLINE TORCH ADVISORIES PYTHON
COMMANDS := report check-reference update-reference show-config lab inspect export predict export-model try-page \
	eval-annotator train-segmenter pack-model audit readings certainty ablation generalisation sim2real benchmark \
	archive rerun
TARGETS := reproduce explore preprocess train evaluate $(COMMANDS) render-dataset setup-rendering \
	setup test test-slow test-gpu faults audit-deps check lint typecheck format coverage docs lock clean help
.PHONY: $(TARGETS)

GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $v)),$v))
UNKNOWN := $(firstword $(filter-out $(VARIABLES) SHELL MAKEFLAGS CURDIR,$(GIVEN)))
ifneq ($(UNKNOWN),)
$(error $(or $(shell python3 scripts/explain_name.py variable '$(subst ','\'',$(UNKNOWN))' $(VARIABLES)), \
	carseg: there is no variable $(UNKNOWN)))
endif
# Values reach Python by the environment, as they are.
$(foreach v,$(VARIABLES),$(eval export CARSEG_$v := $$(value $v)))

# Memory that a training step frees is kept for the next: left alone, glibc returns it to the system, which zeroes its
# pages again; a twentieth of a step's time on two CPU cores, a seventh of a prediction's.
export MALLOC_ARENA_MAX ?= 1
export MALLOC_MMAP_MAX_ ?= 0
export MALLOC_TRIM_THRESHOLD_ ?= 4000000000
# Containers often forbid Python to keep compiled modules: each of a run's six processes would compile torch again.
unexport PYTHONDONTWRITEBYTECODE

ifeq ($(CONDA_DEFAULT_ENV),carseg)  # the conda environment of environment.yml, while it is active; else .venv
READY := .venv/.conda-ready
else
BIN := .venv/bin/
READY := .venv/.ready
endif
ENV_PYTHON := $(BIN)python
CARSEG := $(BIN)carseg
# Made in another folder (the repository was moved), or its Python is gone: make it again.
ifneq ($(shell $(ENV_PYTHON) -c '' 2>/dev/null && [ "$$(cat $(READY) 2>&1)" = "$$(pwd -P)" ] && echo ready),ready)
.PHONY: $(READY)
endif

$(COMMANDS): $(READY)
	@$(CARSEG) $@
##@ Study
reproduce: $(READY) ## run the study from photos to reports/<run>/index.html; what is up to date is not run again
	@$(CARSEG) run
explore: $(READY) ## run it up to notebook 01: what the photos are
	@$(CARSEG) run --until 01_data_exploration
preprocess: $(READY) ## run it up to notebook 02: splits, masks, transforms
	@$(CARSEG) run --until 02_preprocessing
train: $(READY) ## run it up to notebook 03: fine-tuning
	@$(CARSEG) run --until 03_training
evaluate: $(READY) ## run it up to notebook 04: the results
	@$(CARSEG) run --until 04_evaluation
report: ## write the page of a run again
check-reference: ## compare a run with the committed reference of its profile and data
update-reference: ## write a run as its reference; further runs in RUN tell the spread of seeds
show-config: ## list the settings of PROFILE with their meaning and range
lab: ## open the notebooks in JupyterLab
archive: ## put a run into one zip: code, data or digests, results, metadata; uploads nothing
rerun: ## run the study of ARCHIVE again, without a network, and compare

##@ Data
inspect: ## show what DATA holds, by type, and what is left out, before anything is trained; writes nothing
export: ## write a run's photos as COCO (SET=format=yolo: YOLO) into OUT: correct masks, give it as DATA
render-dataset: .venv/.rendering ## render the built-in data set, or another by NUM_IMAGES, REALISM, SEED, OUT; resumes
	@$(ENV_PYTHON) -m carseg_rendering dataset
setup-rendering: .venv/.rendering ## install what rendering needs (make render-dataset does it when needed)

##@ Model
predict: ## predict IMAGES by a run's model, before any training by carseg's: a page, or what SAVE names
export-model: ## write a run's model as one ONNX file, with a runner without torch: reports/<run>/portable/
try-page: ## make one offline page of a run's model to drop photos into: reports/<run>/portable/ (needs npm)
eval-annotator: ## measure the masks and the speed of the annotator, on DATA with masks; trains nothing
pack-model: ## pack a run's model as the one that comes with carseg; measured on REAL and NEGATIVES too
train-segmenter: ## train the car segmenter on DATA with masks (REAL: others to measure on): reports/segmenter/

##@ The paper
audit: ## check a classification report by arithmetic: TABLE, or the paper's Table 1; trains nothing
readings: ## train the paper's text under each of its readings: reports/readings/, notebook 05; resumes
certainty: ## calibration, corruptions, unseen models and doubtful labels of a run: notebook 06

##@ Experiments
sim2real: ## train on rendered cars, measure on the photographs of REAL: reports/sim2real/index.html
ablation: ## train the variants of notebooks/ablations.yaml: reports/ablation/results.md; resumes
generalisation: ## measure on car models never seen, and by training photos: reports/generalisation/; resumes
benchmark: ## measure speed, quality and memory beside torchvision's Mask R-CNN; on a GPU: the device

##@ Development
setup: $(READY) ## install everything into .venv (the other commands do it when needed)
test: $(READY) ## run the fast tests
	@$(ENV_PYTHON) -m pytest
test-slow: $(READY) ## run the slow tests: every source by its notebooks, full products of cases, timings
	@$(ENV_PYTHON) -m pytest -m slow
test-gpu: $(READY) ## compare a GPU with the CPU, part by part; without one, or by DEVICE=cpu, dry
	@$(ENV_PYTHON) -m pytest -m gpu -n 0 tests/gpu
faults: $(READY) ## kill every step, take what it needs, break every file that is read: docs/faults.md; hours
	@$(ENV_PYTHON) -m tests.faults.kill --seeds 3 --out reports/kills.jsonl
	@$(ENV_PYTHON) -m pytest -n 0 -m 'slow or not slow' tests/faults/test_resources.py
	@$(ENV_PYTHON) -m tests.faults.fuzz --total 1000000 --out reports/fuzzed.jsonl
	@$(ENV_PYTHON) -m tests.faults.table reports/kills.jsonl reports/fuzzed.jsonl
audit-deps: $(READY) ## check the locks: ADVISORIES, licences, bill of materials: reports/audit-deps/
	@$(ENV_PYTHON) scripts/audit_deps.py
check: lint test ## check style, types and imports, and run the fast tests
lint: typecheck ## check style, types and import contracts
	@$(ENV_PYTHON) -m ruff check && $(ENV_PYTHON) -m ruff format --check && $(BIN)lint-imports
typecheck: $(READY) ## check types with mypy
	@$(ENV_PYTHON) -m mypy
format: $(READY) ## format the code
	@$(ENV_PYTHON) -m ruff check --fix; $(ENV_PYTHON) -m ruff format
coverage: $(READY) ## run the fast tests and print the lines that none of them runs
	@$(ENV_PYTHON) -m pytest --cov --cov-report term-missing:skip-covered
docs: .venv/.docs ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(ENV_PYTHON) -m mkdocs build --strict
lock: $(READY) ## resolve requirements*.in to the locks again; versions stay unless a line asks for others
	@$(ENV_PYTHON) scripts/setup_environment.py lock
clean: ## remove the run RUN, or all runs and caches if RUN is not given; says what it removes
	@command -v $(CARSEG) >/dev/null || { echo "carseg: nothing is installed, so there are no runs" >&2; exit 2; }
	@$(CARSEG) clean
help:
	@printf 'To begin with:\n'; printf '  make %s\n' reproduce 'reproduce DATA=~/cars' 'predict IMAGES=~/new.jpg' test
	@awk -F ':.*## ' '/^##@ / { printf "\n%s:\n", substr($$0, 5) } /^## / { print "  " substr($$0, 4) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
.DEFAULT:
	@[ -e '$@' ] || { python3 scripts/explain_name.py target '$@' $(TARGETS) >&2; exit 2; }

.venv/.ready: requirements.lock pyproject.toml
	@command -v "$${CARSEG_PYTHON:-python3}" >/dev/null || \
		{ echo "carseg: Python 3.11 or newer is needed: install it, or name it by PYTHON=path" >&2; exit 2; }
	@"$${CARSEG_PYTHON:-python3}" scripts/setup_environment.py
.venv/.conda-ready: environment.yml pyproject.toml
	@python scripts/setup_environment.py conda
# An installation of requirements.lock takes out what is not in it: then these are done again.
.venv/.rendering .venv/.docs: .venv/.%: $(READY) requirements-%.lock
	@$(ENV_PYTHON) scripts/setup_environment.py $*
