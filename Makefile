# The one front door. `make demo` and `make test` need python3, make and git.

PYTHON ?= python3
RUNS ?= 2000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test lint bench crash system clean

$(VENV)/.run: requirements/run.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 demo"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.lock
	$(PIP) install --require-hashes -r requirements/dev.lock
	touch $@

demo: $(VENV)/.run    ## one month from Markdown to inboxes, on this machine alone
	$(BIN)/newsletter demo

test: $(VENV)/.dev system    ## everything CI runs
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

lint: $(VENV)/.dev    ## format and check, changing files
	$(BIN)/ruff check --fix src tests bench
	$(BIN)/ruff format src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

# Chromium, SpamAssassin and systemd-analyze come from the system. Where this account may
# not install them, their tests say that they were skipped; with CI set, nothing is.
system:
	@{ command -v chromium || command -v google-chrome; } >/dev/null && command -v spamassassin >/dev/null && command -v systemd-analyze >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-core spamassassin systemd >/dev/null; } || \
	  echo "Chromium, SpamAssassin or systemd-analyze is not here and may not be installed: their tests will be skipped"

bench: $(VENV)/.dev    ## ratios against peers and limits
	$(BIN)/python -m bench

# docs/proof.md says what is done and what came of it. An hour on two cores; RUNS=200 is a tenth of it.
crash: $(VENV)/.dev    ## kill, freeze, cut the power: thousands of times
	$(BIN)/python tests/delivery/test_model.py 8
	$(BIN)/python tests/delivery/matrix.py $(RUNS)
	$(BIN)/python tests/delivery/matrix.py every
	$(BIN)/python -m bench.kills 20

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
