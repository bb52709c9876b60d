# Two commands: `make lab` opens the course, `make test` runs all that CI runs. Both set up first what they need.
PYTHON      ?= python3
VENV        ?= .venv
TORCH       ?= auto
SETUP_FLAGS ?=
LAB_FLAGS   ?=
WORKERS     ?= 2
PYTEST_FLAGS ?=
BENCH_FLAGS ?=

BIN   := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY    := $(BIN)/python
# nbgrader calls `alembic` by its name, so the environment's programs must be on the PATH.
RUN   := PATH="$(BIN):$$PATH" "$(PY)"
SETUP := $(PYTHON) grader/setup_env.py --venv "$(VENV)" --torch $(TORCH) $(SETUP_FLAGS)
START := exercises/start.ipynb
ROOT_FLAG := $(if $(filter 0,$(shell id -u)),--allow-root)

# Packages from elsewhere must not leak into the environment.
unexport PYTHONPATH PYTHONHOME
# Tests: one thread each, because they run side by side, and no model hub.
test quick: export OMP_NUM_THREADS = 1
test quick: export TOKENIZERS_PARALLELISM = false
test quick: export HF_HUB_OFFLINE = 1

.DEFAULT_GOAL := help
.PHONY: help lab setup test quick build bench pictures clean python

help: ## show this list
	@echo "LLM Engineer's Handbook"
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'
	@echo "Variables: PYTHON=$(PYTHON)  VENV=$(VENV)  TORCH=auto|cpu|pypi  LAB_FLAGS=--no-browser  WORKERS=0|2"

lab: setup ## set up if need be, then open the course in JupyterLab
	@mkdir -p "$${HANDBOOK_BUILD:-build}/exchange" # where Formgrader keeps its database and hands out
	$(RUN) -m jupyterlab --LabApp.default_url=/lab/tree/$(START) $(ROOT_FLAG) $(LAB_FLAGS)

setup: python ## environment and models, without opening anything
	@$(SETUP)

test: python ## all that CI runs: style, types, lint, every test
	@$(SETUP) --dev
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m grader lint
	$(RUN) -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_FLAGS)

quick: python ## the same without types and slow tests, in at most four minutes
	@$(SETUP) --dev
	$(RUN) -m ruff check .
	$(RUN) -m grader lint
	$(RUN) -m pytest -m "not slow" -n $(WORKERS) --dist loadfile $(PYTEST_FLAGS)

build: setup ## build the notebooks in solutions/ and exercises/ from course/
	$(RUN) -m grader build

bench: python ## measure what the README claims
	@$(SETUP) --dev
	$(RUN) tests/benchmarks.py $(BENCH_FLAGS)

pictures: python ## remake the README's pictures (needs chromium and chromedriver)
	@$(SETUP) --dev
	$(RUN) tests/e2e/pictures.py

# A class's work in build/: submissions, grades and feedback can't be made again, so `make clean` leaves them.
KEEP := received submissions submitted autograded feedback feedback-zips intake verdicts aside exchange roster.json secret.key run.json report.html similar.html gradebook.db gradebook.db-journal

clean: ## remove the environment, caches and what can be built again (not submissions and grades, not the models)
	@if [ -f "$(VENV)/pyvenv.cfg" ]; then rm -rf "$(VENV)"; fi
	@rm -rf .pytest_cache .mypy_cache .ruff_cache
	@if [ -d build ]; then find build -mindepth 1 -type d -empty -delete; find build -mindepth 1 -maxdepth 1 $(foreach name,$(KEEP),! -name $(name)) -exec rm -rf {} +; fi
	@if [ -d build ] && ! rmdir build 2>/dev/null; then echo "Kept, because it can't be made again: $$(cd build && echo *) in build/." \
	  "After \`make setup\`, \`grader release\` goes on from there; remove build/ yourself to end the class."; fi
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) on the PATH."; \
	  echo "Next: install Python 3.11 or newer (python.org), or name it: make lab PYTHON=/path/to/python3.12"; exit 1; } >&2
