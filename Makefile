# One word per thing to do. `make` alone shows them.

PYTHON ?= python3
BIN := .venv/bin
DATA_DIR ?= data
BASE_PORT ?= 8700
SECONDS_EACH ?= 3600

SOURCES := shared/src $(wildcard services/*/src)
# These start whole stacks, so they run after the others; beside them, since they wait a lot, the short benchmarks, of
# whose figures nothing is expected.
STACKS := $(wildcard tests/e2e)
BENCHMARKS := $(wildcard tests/integration/bench)
PARALLEL := $(filter-out tests/e2e tests/bench tests/scale,$(patsubst %/,%,$(wildcard tests/*/)))

export PATH := $(PATH):/usr/sbin:/sbin
unexport PYTHONPATH PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo up check test bench bench-idle scale soak clean

help: ## Show this
	@echo 'elbflow: an AWS Classic ELB compatible load balancer on SWF workflows and HAProxy.'
	@echo
	@echo 'New here? Run "make demo": it sets everything up and shows a load balancer at work.'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Every target sets up what it needs. PYTHON=python3.12 chooses another interpreter.'

setup: ## Build .venv, and as root on Debian or Ubuntu install haproxy and redis-server
	@PYTHON='$(PYTHON)' scripts/setup.sh

setup-tests:
	@PYTHON='$(PYTHON)' scripts/setup.sh tests

demo: setup ## A guided tour on this machine; leaves nothing running
	$(BIN)/elbflow demo

up: setup ## The whole stack in the foreground, data in DATA_DIR=data, ports from BASE_PORT=8700; Ctrl-C drains
	$(BIN)/elbflow up --data-dir $(DATA_DIR) --base-port $(BASE_PORT)

check: setup ## Style, types and walls: ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES) tests
	$(BIN)/lint-imports

test: setup-tests ## All tests; for one of them: .venv/bin/pytest tests/unit/service
	@status=0; \
	for run in '-n 2 --dist loadfile --ignore tests/integration/bench $(PARALLEL)' '-n 3 --dist loadfile $(BENCHMARKS) $(STACKS)'; do \
		echo "pytest $$run"; \
		$(BIN)/python -m pytest -q $$run || status=$$?; \
	done; \
	exit $$status

bench: setup ## How fast it is, beside others and beside the limits (about an hour; SUITE=engine, polling, flow, api or data-plane: a part of it)
	$(BIN)/python -m tests.bench.everything $(if $(SUITE),--suite $(SUITE)) $(if $(RESULTS),--results $(RESULTS))

bench-idle: setup ## What an idle load balancer costs, in SWF calls, CPU and memory (about 6 minutes)
	$(BIN)/python -m tests.bench.idle_cost

scale: setup ## 10, 50 and 300 load balancers of two VMs under change (about 25 minutes; SIZES=10,50: the short form)
	$(BIN)/python -m tests.scale.load_balancers $(if $(SIZES),--sizes $(SIZES)) $(if $(RESULTS),--results $(RESULTS))

soak: setup ## Polls, engine and wire under faults for hours (SECONDS_EACH=60: a short one), the data plane under change
	$(BIN)/python -m tests.soak.polling_invariants --seconds $(SECONDS_EACH)
	$(BIN)/python -m tests.soak.engine_fuzz --seconds $(SECONDS_EACH)
	$(BIN)/python -m tests.soak.engine_kill --kills 100
	$(BIN)/python -m tests.soak.bursts --bursts 1000
	$(BIN)/python -m tests.soak.data_plane

clean: ## Remove .venv, caches and build output; keeps data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist .coverage*
	find shared services tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
