# What can be done here; `make help` lists it. Needs Python 3.11 to 3.13 and make.
#
# A recipe says what it does and nothing else; what a verb needs first is in its prerequisites.

PYTHON ?= python3
# The home that `make dev` serves; `make demo` has one of its own.
CRM_HOME ?= home
# The web page has no login: only this machine reaches it unless another address is given.
DEV_HOST ?= 127.0.0.1
DEMO_HOME := demo-home
DEMO_CUSTOMERS ?= 2000
DEMO_DAYS ?= 365
BENCH_CUSTOMERS ?= 100000
BENCH_FOLDER := .cache/bench

VENV := .venv
BIN := $(VENV)/bin
# Marks of what was done, so that it is done once.
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready
DEMO := $(BIN)/crm-value --home $(DEMO_HOME)
DEMO_MANIFEST := $(DEMO_HOME)/state/sample_manifest.json
# Tests and lint must not see a home that happens to lie here.
NO_HOME := CRM_HOME=$(VENV)/no-home DAGSTER_DISABLE_TELEMETRY=1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-faults test-promises test-browser test-superset \
    fuzz dev check lint lock bench test-real clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS=: read -r verb rest; do printf '  make %-13s %s\n' "$$verb" "$${rest##*## }"; done

# --- set-up ------------------------------------------------------------------------------------

# The lock is complete, which `pip check` proves; resolving it again would refuse extras, which
# carry no hash of their own.
$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.11 ..." >&2; \
	    exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	    -r requirements.lock
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --no-build-isolation -e .
	$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

install: $(READY) ## set-up alone: the program in .venv, for a home of your own
	@echo "$(BIN)/crm-value is ready; README.md, \"Your own data in ten minutes\", goes on from here"

# --- use ---------------------------------------------------------------------------------------

# The made-up exports are written once, so that a second demo changes no published row.
demo: $(READY) ## a night over made-up exports, from nothing to a warehouse
	$(DEMO) init --sample $(DEMO_HOME)
	test -f $(DEMO_MANIFEST) || \
	    $(DEMO) sample --customers $(DEMO_CUSTOMERS) --days $(DEMO_DAYS) --seed 1
	$(DEMO) run --date "$$($(BIN)/python -c 'import json, sys; \
	    print(json.load(open(sys.argv[1]))["end"])' $(DEMO_MANIFEST))"

dev: $(READY) ## Dagster's web page and nightly schedule over one home (CRM_HOME=home)
	test -d $(CRM_HOME)/config || $(BIN)/crm-value init $(CRM_HOME)
	@if grep -q '^sample_data: false' $(CRM_HOME)/config/home.yaml && test -z "$$CRM_HOME_SECRET"; \
	then echo "$(CRM_HOME) holds real data: set CRM_HOME_SECRET (at least 32 characters, always" \
	          "the same) and try again, or serve made-up data: make dev CRM_HOME=$(DEMO_HOME)" >&2; \
	     exit 2; fi
	CRM_HOME="$(abspath $(CRM_HOME))" DAGSTER_HOME="$(abspath $(CRM_HOME))/state/dagster" \
	DAGSTER_DISABLE_TELEMETRY=1 DO_NOT_TRACK=1 GX_ANALYTICS_ENABLED=false \
	    $(BIN)/dagster dev -w workspace.yaml -h $(DEV_HOST)

# --- keep it right -----------------------------------------------------------------------------

test: $(READY) ## all tests that need nothing but the project and ten minutes
	$(NO_HOME) $(BIN)/python -m pytest -n 2 --dist loadgroup \
	    -m "not real_data and not slow and not faults and not browser and not superset"

test-slow: $(READY) ## tests of whole nights and kills that take longer
	$(NO_HOME) $(BIN)/python -m pytest -n 2 --dist loadgroup -m "slow and not superset"

test-faults: $(READY) ## inject faults, also into whole nights (Linux)
	$(NO_HOME) $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder -m faults

test-promises: $(READY) ## of all those that take longer, what docs/promises.md names (Linux)
	$(NO_HOME) $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder \
	    -m "promise and (slow or faults)"

test-browser: $(READY) ## the Dagster page in Chromium, which must be on the machine
	$(NO_HOME) $(BIN)/python -m pytest -m browser

test-superset: $(READY) ## Apache Superset reads both places (installs it: network, 1 GB)
	$(NO_HOME) $(BIN)/python -m pytest -m superset

FUZZ_FILES ?= 20000
fuzz: $(READY) ## read damaged files of every format (FUZZ_FILES=20000; hours)
	$(NO_HOME) $(BIN)/python -m tests.ingest.fuzz_reading --files $(FUZZ_FILES)

test-real: $(READY) ## tests over exports other people made, in ../shared/data
	$(NO_HOME) $(BIN)/python -m pytest -n 2 --dist loadgroup -m real_data

# Loading the definitions parses dbt's models, with warnings as errors.
lint: $(READY) ## style, types, SQL style, Dagster's definitions, dbt's models
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar dbt/models
	$(NO_HOME) $(BIN)/dagster definitions validate -w workspace.yaml

# Leaves its home behind, so that one can look at it; `make clean` removes it.
bench: $(READY) ## time and memory of a night beside a floor (BENCH_CUSTOMERS=100000; Linux)
	rm -rf $(BENCH_FOLDER)
	mkdir -p $(BENCH_FOLDER)
	$(BIN)/python benchmarks/night.py --customers $(BENCH_CUSTOMERS) --days 730 \
	    --folder $(BENCH_FOLDER)

check: ## exactly what the continuous integration runs; .ci/run all runs the long tests, too
	PYTHON="$(PYTHON)" .ci/run

lock: $(READY) ## pin the newest versions that pyproject.toml allows, with hashes, without hosts
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --no-emit-index-url --extra dev --upgrade pyproject.toml \
	    -o requirements.lock

clean: ## remove the environment, the demo and all caches; never a home of yours
	rm -rf $(VENV) $(DEMO_HOME) .pytest_cache .ruff_cache .mypy_cache .hypothesis .cache \
	    dbt/target dbt/logs *.egg-info
	find dagster_project tests -name __pycache__ -type d -prune -exec rm -rf {} +
