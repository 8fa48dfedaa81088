# Pitwire. `make` alone lists what there is. Needs Python 3.11+ with venv, and make; nothing is installed outside this folder.

PYTHON_CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11 python)
VENV := .venv
PY := $(VENV)/bin/python
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml))

# The stamps name the folder they were made in: a moved or copied checkout sets itself up again, from the beginning, since
# the scripts of an environment name their interpreter by its full path.
HERE := $(shell pwd -P | cksum | cut -d' ' -f1)
STAMP := $(VENV)/.ready-$(HERE)
CHECK_STAMP := $(VENV)/.ready-check-$(HERE)
MOVED := $(filter-out $(STAMP),$(wildcard $(VENV)/.ready-[0-9]*))
VENV_WORKS := $(if $(MOVED),,$(shell $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo yes))

# uv and Node trust the certificates of the system, as pip on Debian does; no tool fetches an interpreter of its own.
export UV_SYSTEM_CERTS := 1
export NODE_USE_SYSTEM_CA := 1
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# Each run and each test starts dozens of processes: compiling every module in every one of them doubles what a start costs.
unexport PYTHONDONTWRITEBYTECODE

# $(call install,LOCK FILE,MEMBER FOLDERS): uv, and where it fails (it knows nothing of pip's settings) pip on the same lock.
define install
	{ $(UV) -q pip install --require-hashes -r $(1) && \
	  $(if $(2),$(UV) -q pip install --no-deps --no-sources --no-build-isolation $(addprefix -e ./,$(2)),true); } 2>$(VENV)/uv.log || \
	{ echo "uv could not install $(1) (reason in $(VENV)/uv.log); using pip, which takes longer"; \
	  $(PY) -m pip install -qq --require-hashes -r $(1) && \
	  $(if $(2),PATH="$$PWD/$(VENV)/bin:$$PATH" $(PY) -m pip install -qq --no-deps --no-build-isolation $(addprefix -e ./,$(2)),true); }
endef
UV = UV_CACHE_DIR="$${UV_CACHE_DIR:-$$( [ -w "$${HOME:-/nonexistent}" ] && echo "$$HOME/.cache/uv" || echo "$(VENV)/uv-cache" )}" $(VENV)/bin/uv

.DEFAULT_GOAL := help
.PHONY: help setup ccxt run test test-unit test-integration test-clients chaos defects campaign bench-peers venue-faults check format docs lock clean clean-data stack-test FORCE

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv with everything that `run` and `test` need (they do it by themselves)

ccxt: $(STAMP) ## Add the extra ccxt to .venv: other venues than Binance (docs/venues.md)
	@$(UV) -q pip install --no-deps --require-hashes -r requirements-ccxt.lock

run: $(STAMP) ## Trade on the simulated venue. DATA=<file or folder of candles or raw frames> SPEED=<x> FOR=<seconds>
	@$(PY) -m pitwire.cli up $${DATA:+--data "$$DATA"} $${SPEED:+--speed "$$SPEED"} $${FOR:+--for "$$FOR"}

test: $(STAMP) ## Every test, with real servers started from wheels. PITWIRE_DATA=<folder of recordings>, else ../shared/data
	@$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-unit: $(STAMP) ## Only the tests that need no server
	@$(PY) -m pytest -m 'not integration'

test-integration: $(STAMP) ## Only the tests on a real nats-server and PostgreSQL
	@$(PY) -m pytest -m integration

chaos: $(STAMP) ## Kill, recover, trade on, CYCLES=20 times. DOUBLE=1: two gates, two executions. It goes on where it ended
	@$(PY) -m tests.chaos --cycles $${CYCLES:-20} $${DOUBLE:+--double} $${SEED:+--seed "$$SEED"}

defects: $(STAMP) ## Plant each known defect in a copy and show that a test goes red. ONLY="S-1 S-17"
	@$(PY) -m tests.defects.campaign $(ONLY)

campaign: $(STAMP) ## The accounting and order-model tests far beyond their slice in `test`. STEPS=1000000 (half an hour or more)
	@PITWIRE_CAMPAIGN=$${STEPS:-1000000} $(PY) -m pytest -n auto --dist loadfile --timeout 0 \
	  libs/common/tests/test_accounting.py libs/common/tests/test_order_model.py libs/common/tests/test_account_model.py \
	  services/venue-sim/tests/test_properties.py

venue-faults: $(STAMP) ## ORDERS=5000 through every fault of the venue, order type and phase; prints the table. SEED=<n>
	@$(PY) -m tests.venue_faults --orders $${ORDERS:-5000} $${SEED:+--seed "$$SEED"}

test-clients: $(STAMP) ## Third-party Binance clients on the simulated venue, each in its own environment (needs the registry once)
	@PITWIRE_TEST_CLIENTS=1 $(PY) -m pytest services/venue-sim/tests/test_real_clients.py

bench-peers: $(STAMP) ## Backtests beside those of other systems, each in its own environment; writes the table. BARS=500000
	@$(PY) benchmarks/bench_peers.py $(BARS)

check: $(STAMP) $(CHECK_STAMP) ## Format, lint, strict types (two checkers), import contracts
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@for tests in $(wildcard services/*-*/tests); do $(PY) -m mypy $$tests || exit 1; done
	@$(VENV)/bin/basedpyright
	@$(VENV)/bin/lint-imports

format: $(CHECK_STAMP) ## Rewrite the sources in the house format, with the safe lint fixes
	@$(PY) -m ruff check --fix-only -q .
	@$(PY) -m ruff format .

docs: $(STAMP) ## Regenerate docs/reference, docs/defects.md, and the configuration of the container stack
	@$(PY) -m pitwire.cli docs
	@deploy/config/derive.sh >deploy/config/pitwire.toml
	@$(PY) -m tests.defects.campaign --page >docs/defects.md

lock: $(STAMP) ## Resolve all dependencies again and write the two hash-only lock files
	@$(UV) -q lock --upgrade
	@$(UV) -q export --all-packages --no-emit-workspace --no-header --no-annotate -o requirements.lock
	@echo "ccxt=="$$(sed -n 's/^ccxt==\([^ ]*\).*/\1/p' requirements-ccxt.lock) | \
	  $(UV) -q pip compile --no-deps --generate-hashes --no-header --no-annotate - -o requirements-ccxt.lock
	@$(UV) -q export --only-group check --no-emit-workspace --no-header --no-annotate -o requirements-check.lock

stack-test: $(STAMP) ## Build the images and run docker-compose.yml once on a private container engine (needs root)
	@PITWIRE_STACK_TEST=1 $(PY) -m pytest --timeout 3600 -v tests/stack

clean: ## Remove the environment, caches and build output; recorded runs stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find libs services tests -name __pycache__ -type d -prune -exec rm -rf {} +

clean-data: ## Remove .pitwire: the journal, the database and the logs of runs started here
	@rm -rf .pitwire

$(STAMP): requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS)) $(if $(VENV_WORKS),,FORCE)
	@echo "Setting up $(VENV) (once; takes a minute on a slow line)"
	@[ -n "$(VENV_WORKS)" ] || { \
	  for python in $(PYTHON_CANDIDATES); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	  done; \
	  [ -n "$$python" ] || { echo "Pitwire needs Python 3.11 or newer; found: $$($(if $(PYTHON),"$(PYTHON)",python3) -V 2>&1 || true)." \
	    "Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$$("$$python" -V) has no venv module. On Debian or Ubuntu, as root: apt-get install" \
	    "python3-venv" >&2; exit 1; }; \
	  rm -rf $(VENV) && "$$python" -m venv $(VENV); }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >$(VENV)/uv.lock
	@$(PY) -m pip install -qq --require-hashes --only-binary :all: -r $(VENV)/uv.lock || echo "uv is not to be had; using pip"
	@$(call install,requirements.lock,$(MEMBERS))
	@rm -f $(VENV)/.ready-*; touch $@

$(CHECK_STAMP): requirements-check.lock $(STAMP)
	@$(call install,requirements-check.lock)
	@touch $@

FORCE:
