# Every command of the study; `make` alone lists them. Works with GNU make 3.81 and newer.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

##@ Variables, all optional:
## DATA=folder       your photos: <type>/*.jpg, <split>/<type>/*.jpg, COCO or VOC annotations, Stanford Cars, photos.csv;
##                   a COCO .json file, a .csv table, or kaggle:owner/slug@version;
##                   if not given, `rendered`: the data set that comes with carseg
## TYPES="hatchback wagon=estate,kombi"   the body types and their other names, a .yaml file of them, or folders: each
##                   type folder is a type; if not given, the paper's four
## PROFILE=quick     set of parameters: smoke, quick, best or paper
## RUN=name          name of the run and of its folder under reports/; if not given the profile's name, or
##                   <profile>-<data folder> if that run holds other data
## SEED=0            seed of every random choice
## DEVICE=auto       auto, cpu, cuda or mps
## WEIGHTS=imagenet  first weights: coco, imagenet, segmenter, none, or a file; the profile's if not given
## WORKERS=1         training processes
## SET="epochs=3 lr=0.001"   any parameters of the profile; `make settings` lists them
## PHOTO=path        for predict: a photo, or a folder of photos
## N=8434            for dataset: how many photos; they go into a folder rendered-8434, to be named as DATA
## VERSION=full      for dataset: of the renderer: plain, light, places or full, each with more realism
## OUT=folder        for dataset and export: the folder to make
## REAL=folder       for transfer: real photos, to measure on what was learned from rendered ones
## RENDERED="rendered-2109-plain full=rendered"   for transfer: rendered data sets, the last one the best; if not given,
##                   the embedded one
## PYTHON=python3.12 the Python that .venv is made with; 3.11 or newer
VARIABLES := DATA PROFILE RUN SEED DEVICE WEIGHTS WORKERS SET TYPES PHOTO N VERSION OUT REAL RENDERED PYTHON

# A misspelt variable would be ignored by make: refuse those that the command line sets and nobody knows.
GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $v)),$v))
UNKNOWN := $(strip $(filter-out $(VARIABLES) SHELL MAKEFLAGS CURDIR,$(GIVEN)))
NEAR = $(shell python3 -c 'import difflib, sys; \
	near = difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1); \
	print("; did you mean %s?" % near[0] if near else ".")' '$(subst ','\'',$(firstword $(UNKNOWN)))' $(VARIABLES) 2>/dev/null)
ifneq ($(UNKNOWN),)
$(error carseg: there is no variable $(firstword $(UNKNOWN))$(NEAR) The variables are: $(VARIABLES))
endif

# Values reach Python by the environment, as they are: no shell reads them.
export CARSEG_DATA := $(value DATA)
export CARSEG_TYPES := $(value TYPES)
export CARSEG_PROFILE := $(value PROFILE)
export CARSEG_RUN := $(value RUN)
export CARSEG_SEED := $(value SEED)
export CARSEG_DEVICE := $(value DEVICE)
export CARSEG_WEIGHTS := $(value WEIGHTS)
export CARSEG_WORKERS := $(value WORKERS)
export CARSEG_SET := $(value SET)
export CARSEG_PHOTO := $(value PHOTO)
export CARSEG_N := $(value N)
export CARSEG_VERSION := $(value VERSION)
export CARSEG_OUT := $(value OUT)
export CARSEG_REAL := $(value REAL)
export CARSEG_RENDERED := $(value RENDERED)
export CARSEG_PYTHON := $(value PYTHON)

# Memory that one step of training frees is kept for the next. Left alone, glibc gives large tensors back to the system,
# which zeroes their pages when they are asked for again: a twentieth of a step's time on two CPU cores, a seventh of an
# answer's.
MALLOC_ARENA_MAX ?= 1
MALLOC_MMAP_MAX_ ?= 0
MALLOC_TRIM_THRESHOLD_ ?= 4000000000
export MALLOC_ARENA_MAX MALLOC_MMAP_MAX_ MALLOC_TRIM_THRESHOLD_

# Containers often forbid Python to keep compiled modules. A run is six processes, each of which would compile torch and
# the rest anew: twice the time of their start. They are kept in .venv and in __pycache__, which git ignores.
unexport PYTHONDONTWRITEBYTECODE

# The environment: .venv, or the conda environment of environment.yml while it is active. `ready` is written last, so
# that an installation that was interrupted is done again.
ifeq ($(CONDA_DEFAULT_ENV),carseg)
ENV_PYTHON := python
READY := .venv/.conda-ready
else
ENV_PYTHON := .venv/bin/python
READY := .venv/.ready
endif
# Made in another folder (the repository was moved), or its Python is gone: make it again.
ifneq ($(shell $(ENV_PYTHON) -c '' 2>/dev/null && test "$$(cat $(READY) 2>/dev/null)" = "$$(pwd -P)" && echo ready),ready)
.PHONY: $(READY)
endif
CARSEG := $(ENV_PYTHON) -m carseg_lib

##@ The study
.PHONY: reproduce catalogue explore preprocess train evaluate report verify reference predict
.PHONY: transfer export teacher segmenter ablate bench lab settings
reproduce: $(READY) ## run the study from photos to reports/<run>/index.html; what is up to date is not run again
	@$(CARSEG) run
catalogue: $(READY) ## show what DATA holds, by type, and what is left out, before anything is trained; writes nothing
	@$(CARSEG) catalogue
explore: $(READY) ## run it up to notebook 01: what the photos are
	@$(CARSEG) run --until 01_data_exploration
preprocess: $(READY) ## run it up to notebook 02: splits, masks, transforms
	@$(CARSEG) run --until 02_preprocessing
train: $(READY) ## run it up to notebook 03: fine-tuning
	@$(CARSEG) run --until 03_training
evaluate: $(READY) ## run it up to notebook 04: the results
	@$(CARSEG) run --until 04_evaluation
report: $(READY) ## write the page of a run anew
	@$(CARSEG) report
verify: $(READY) ## compare a run with the committed reference of its profile and data
	@$(CARSEG) verify
reference: $(READY) ## write the numbers of a run as the reference of its profile and data
	@$(CARSEG) reference
predict: $(READY) ## a trained run's answers for PHOTO: an overlay PNG and a JSON each, in reports/<run>/answers/
	@$(CARSEG) predict
transfer: $(READY) ## train on rendered cars, measure on the photos of REAL: reports/transfer/index.html
	@$(CARSEG) transfer
export: $(READY) ## a run's photos as COCO files in OUT: correct masks with any tool, and give the folder as DATA
	@$(CARSEG) export
teacher: $(READY) ## measure how well and how fast the teacher draws masks, on DATA with masks; trains nothing
	@$(CARSEG) teacher
segmenter: $(READY) ## train the car segmenter on DATA with masks (REAL: others to measure it on): reports/segmenter/
	@$(CARSEG) segmenter
ablate: $(READY) ## train every variant of notebooks/ablations.yaml and compare: reports/ablation/ablation.md; resumes
	@$(CARSEG) ablate
bench: $(READY) ## measure speed, quality and memory beside torchvision's Mask R-CNN: reports/bench/bench.md
	@$(CARSEG) bench
lab: $(READY) ## open the notebooks in JupyterLab
	@$(CARSEG) lab
settings: $(READY) ## list the parameters of PROFILE with their meaning and range
	@$(CARSEG) settings

##@ The rendered data set
.PHONY: dataset renderer
dataset: .venv/.renderer ## render the embedded data set again, or another one with N, VERSION, SEED or OUT; resumes
	@$(ENV_PYTHON) -m carseg_rendering dataset
renderer: .venv/.renderer ## install what rendering needs (make dataset does it when needed)

##@ The code
.PHONY: setup test lint format lock clean help
setup: $(READY) ## install everything into .venv (the other commands do it when needed)
test: lint ## check the code's style and run all tests
	@$(ENV_PYTHON) -m pytest
lint: $(READY) ## check the code's style
	@$(ENV_PYTHON) -m ruff check
	@$(ENV_PYTHON) -m ruff format --check
format: $(READY) ## bring the code into its style
	@$(ENV_PYTHON) -m ruff check --fix
	@$(ENV_PYTHON) -m ruff format
COMPILE := -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header --no-emit-index-url
lock: $(READY) ## resolve requirements*.in to the locks again; versions stay unless a line asks for others
	@$(ENV_PYTHON) $(COMPILE) --output-file requirements.lock requirements.in
	@$(ENV_PYTHON) $(COMPILE) --constraint requirements.lock --output-file requirements-rendering.lock \
		requirements-rendering.in
	@echo "the locks are written; bring environment.yml in line with requirements.lock"
clean: ## remove the run RUN, or all runs and caches if RUN is not given; says what it removes
	@case "$$CARSEG_RUN" in */*|.*|reference|bench) echo "carseg: RUN=$$CARSEG_RUN is no run" >&2; exit 2;; \
		"") set -- reports/* reports/.data reports/.cache .rendering/* .pytest_cache .ruff_cache .hypothesis;; \
		*) set -- "reports/$$CARSEG_RUN"; \
			if [ ! -d "$$1" ]; then echo "carseg: there is no run $$CARSEG_RUN ($$1 is missing)" >&2; exit 2; fi;; esac; \
	for found; do \
		if [ ! -e "$$found/.lock" ]; then continue; fi; \
		python3 -c "$$ASK_LOCK" "$$found/.lock"; \
		if [ $$? -eq 9 ]; then \
			echo "carseg: $${found#reports/} is being made: stop it, or wait for it; nothing was removed" >&2; exit 2; \
		fi; \
	done; \
	for found; do \
		if [ -e "$$found" ] && [ "$$found" != reports/reference ]; then rm -rf -- "$$found" && echo "removed $$found"; fi; \
	done; \
	if [ -e reports/index.html ]; then \
		rm -f reports/index.html; \
		$(ENV_PYTHON) -c 'from pathlib import Path; from carseg_lib.reporting.html.page import write_index; write_index(Path("reports"))' \
			2>/dev/null || true; \
	fi
# Ends with 9 if the lock that a run holds while it is made is held; anything else is no reason to keep the run.
define ASK_LOCK
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(9)
endef
export ASK_LOCK

help:
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5); next } \
		/^## / { print "  " substr($$0, 4); next } \
		/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nExamples: make reproduce; make reproduce DATA=~/cars PROFILE=smoke\n'

##@

.venv/.ready: requirements.lock pyproject.toml
	@set -eu; here=$$(pwd -P); found=; \
	for python in "$${CARSEG_PYTHON:-python3}" python3.13 python3.12 python3.11 python3.14; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
		if [ -n "$$CARSEG_PYTHON" ]; then break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "carseg: Python 3.11 or newer is needed: install it, or name it by PYTHON=path" >&2; exit 2; \
	fi; \
	echo "installing requirements.lock into .venv, $$("$$found" --version)"; \
	rm -f .venv/.ready; \
	if ! .venv/bin/python -c '' 2>/dev/null || [ "$$(cat .venv/.folder 2>/dev/null)" != "$$here" ]; then \
		if ! said=$$("$$found" -m venv --clear .venv 2>&1); then \
			echo "carseg: $$found cannot make .venv (Debian, Ubuntu: apt install python3-venv): $$said" >&2; exit 2; \
		fi; \
		printf %s "$$here" >.venv/.folder; \
	fi; \
	python=.venv/bin/python; \
	if ! $$python -m uv --version >/dev/null 2>&1; then \
		sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >.venv/uv.lock; \
		$$python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock; \
	fi; \
	if [ -n "$${PIP_INDEX_URL:-}" ] && [ -z "$${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX=$$PIP_INDEX_URL; fi; \
	$$python -m uv pip sync --quiet --python $$python --require-hashes requirements.lock; \
	$$python -m uv pip install --quiet --python $$python --no-deps --no-build-isolation --editable .; \
	$$python -m ipykernel install --sys-prefix --name carseg --display-name carseg >/dev/null 2>&1; \
	printf %s "$$here" >.venv/.ready

# An installation of requirements.lock takes out what is not in it: then this is done again.
.venv/.renderer: $(READY) requirements-rendering.lock
	@set -eu; echo "installing requirements-rendering.lock"; \
	if [ -n "$${PIP_INDEX_URL:-}" ] && [ -z "$${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX=$$PIP_INDEX_URL; fi; \
	if $(ENV_PYTHON) -m uv --version >/dev/null 2>&1; then \
		$(ENV_PYTHON) -m uv pip install --quiet --python $(ENV_PYTHON) --no-deps --require-hashes \
			-r requirements-rendering.lock; \
	else \
		$(ENV_PYTHON) -m pip install --quiet --no-deps --require-hashes -r requirements-rendering.lock; \
	fi; \
	touch .venv/.renderer

.venv/.conda-ready: environment.yml pyproject.toml
	@set -eu; echo "installing carseg_lib into the conda environment"; \
	python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	python -m ipykernel install --sys-prefix --name carseg --display-name carseg >/dev/null 2>&1; \
	mkdir -p .venv; pwd -P | tr -d '\n' >.venv/.conda-ready
