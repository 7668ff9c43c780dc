# `make` sets up the environment and runs the tour; `make test` checks everything.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
UI     := $(VENV)/.ui

.PHONY: tour setup test test-all lint ui bench clean

tour: setup
	$(BIN)/heedful tour

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[all]" --group dev
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/lint-imports

# The core once more as where numba is missing, then the whole suite.
# One thread for each worker: BLAS threads of several workers wait for each other, ten times longer than they work.
test test-all: export OMP_NUM_THREADS = 1
test: lint
	$(BIN)/python -m pytest -n auto -m "not slow" --without-numba tests/attention
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: lint
	$(BIN)/python -m pytest -n auto

# The browser tests drive Debian's Chromium (apt-get install chromium fonts-noto-cjk).
ui: $(UI)

$(UI): $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt --group ui
	touch $@

bench: setup
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .ruff_cache .hypothesis
