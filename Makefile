# `make demo` and `make test` are all a fresh Debian machine with Python 3.11 and make needs.

PYTHON ?= python3
BIN := .venv/bin
APT := $(shell command -v apt-get)
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: demo test check bench docs clean

demo: .venv/.runtime
	$(BIN)/python examples/demo.py

test: .venv/.dev .venv/.system
	$(BIN)/python -m pytest -n auto --dist worksteal

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m "not slow" tests/unit headwater sdk_helpers

bench: .venv/.dev
	$(BIN)/python -m benchmarks

docs: .venv/.dev
	$(BIN)/python -m docs.build

clean:
	rm -rf .venv .venvs build dist

# Debian splits venv from python3; every other Python has it.
.venv/bin/uv:
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || ($(SUDO) $(APT) update -q && $(SUDO) $(APT) install -qy python3-venv)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check uv

# What `headwater/_*.c` are compiled with. Where it can't be had, headwater runs in Python alone, and is slower.
PACKAGE := pyproject.toml hatch_build.py $(wildcard headwater/_*.c)
HAS_COMPILER := command -v cc >/dev/null && $(PYTHON) -c 'import pathlib, sys, sysconfig; \
  sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())'

.venv/.compiler:
	@mkdir -p .venv
	@$(HAS_COMPILER) || { test -n "$(APT)" && $(SUDO) $(APT) update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive $(APT) install -qy gcc libc6-dev python3-dev; } || \
	  echo "There is no C compiler: headwater will run in Python alone, which is slower."
	@touch $@

.venv/.runtime: .venv/bin/uv .venv/.compiler $(PACKAGE)
	$(BIN)/uv pip install -q --python $(BIN)/python -e .
	touch $@

.venv/.dev: .venv/bin/uv .venv/.compiler $(PACKAGE)
	$(BIN)/uv pip install -q --python $(BIN)/python -e '.[all]' --group dev
	touch $@ .venv/.runtime

# The servers and drivers that tests run against; tests start their own servers, in a temporary folder and on a free port.
SYSTEM := postgresql unixodbc odbc-postgresql redis-server zsh fish strace faketime

.venv/.system: Makefile
	@dpkg -s $(SYSTEM) >/dev/null 2>&1 || \
	  { test -n "$(APT)" || { echo "Install PostgreSQL 14 or newer, unixODBC, psqlODBC, Redis 7 or newer, zsh and fish: the tests use the real ones."; exit 1; }; \
	    $(SUDO) $(APT) update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive $(APT) install -qy $(SYSTEM); }
	@mkdir -p .venv && touch $@
