# Everything runs in .venv, which the first target that needs it creates. PYTHON makes it:
# `make setup PYTHON=/path/to/python3.11`.

PYTHON ?= python3
PY := .venv/bin/python
SERVICES := $(PY) tools/services.py run --
# What pytest is told besides: `make test ARGS="tests/store -x"`.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-stack test check format bench bench-quick clean chaos contract fuzz schedules overload simulate

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.dev ## Create .venv with everything that development needs

# One stamp per set of requirements: nothing is installed twice, a changed pin is noticed.
.venv/.base: requirements/base.txt pyproject.toml
	$(PYTHON) tools/install.py base
	@touch $@

.venv/.dev: requirements/base.txt requirements/dev.txt pyproject.toml
	$(PYTHON) tools/install.py dev
	@touch .venv/.base $@

.venv/.bench: requirements/base.txt requirements/dev.txt requirements/bench.txt requirements/bench-npm.txt pyproject.toml
	$(PYTHON) tools/install.py bench
	@touch .venv/.base .venv/.dev $@

demo: .venv/.base ## Kill a worker half-way and watch the order finish; needs nothing but Python
	@echo "== Aion's demo: SQLite, one worker process, no servers =="
	$(PY) tools/demo.py

demo-stack: .venv/.dev ## The same on PostgreSQL, Redis and Celery
	@echo "== Aion's demo: PostgreSQL, Redis, Celery workers and beat =="
	$(SERVICES) $(PY) tools/demo.py --stack

test: .venv/.dev ## Run the test suite on SQLite and on PostgreSQL
	$(PY) tools/test.py $(ARGS)


contract: .venv/.dev ## Send the API everything that its OpenAPI document allows, and what it does not
	AION_CONTRACT=50 $(PY) -m pytest tests/api/test_contract.py -q -n auto --timeout 1800 $(ARGS)

TIMES ?= 50
fuzz: .venv/.dev ## Send odd bytes, values and texts to everything that reads: make fuzz TIMES=100
	AION_FUZZ=$(TIMES) $(PY) tools/test.py $(ARGS) tests/security tests/api/test_fuzz.py --timeout 3600

# SEED repeats the stories and faults of an earlier run; without one they are new.
SECONDS ?= 60
SEED ?=
chaos: .venv/.dev ## Disturb real workers, PostgreSQL and Redis; SECONDS=600 SEED=abc
	$(PY) -m tests.acceptance.chaos --seconds $(SECONDS) --seed "$(SEED)" $(ARGS)

schedules: .venv/.dev ## Fire 200 schedules each second for a minute, and miss half a minute
	AION_SCHEDULES=200 AION_SCHEDULES_SECONDS=60 AION_SCHEDULES_OUTAGE=30 $(SERVICES) $(PY) \
		tools/test.py --backend postgres --workers 0 tests/acceptance/test_schedules.py -s --timeout 900

overload: .venv/.dev ## Start runs faster than a worker takes them, for AION_OVERLOAD_SECONDS=300
	AION_OVERLOAD_SECONDS=$${AION_OVERLOAD_SECONDS:-300} $(PY) tools/test.py --backend postgres tests/acceptance/test_overload.py -s --workers 0

simulate: .venv/.dev ## Live seeded worlds of workers and faults on all processors: make simulate SECONDS=600 SEED=1
	$(PY) -m tests.simulation --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

check: .venv/.dev ## Run every check but the tests
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) manage.py check --fail-level WARNING
	$(PY) manage.py makemigrations --check --dry-run --settings=config.settings.test

format: .venv/.dev ## Format the code and repair what ruff can
	$(PY) -m ruff check --fix-only --exit-zero .
	$(PY) -m ruff format .

# They find or start servers that wait for their disk: tests do not need to, figures do.
bench: .venv/.bench ## Run the benchmarks: half an hour on a machine with nothing else to do
	$(PY) -m benchmarks $(ARGS)

bench-quick: .venv/.bench ## Run them in two minutes, for a first impression
	$(PY) -m benchmarks --quick $(ARGS)

clean: ## Remove caches, builds and what runs left behind; .venv stays
	rm -rf var build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
