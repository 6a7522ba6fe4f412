# Two commands: make demo, make test. Both install what they need; only Python 3.11 or newer, make and pip are required.
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
BENCH_ARGS ?=
# processes that share the tests; 0: one process, for a debugger
WORKERS ?= 2
MATRIX_ARGS ?=
BIN := $(VENV)/bin
# tests that run a second time without the compiled kernels
WITHOUT_KERNELS := tests/contract tests/graph tests/ranking tests/reference
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) --constraint constraints.txt

.PHONY: demo test check tests gate-matrix bench clean

demo: $(VENV)/.installed
	$(BIN)/triptych demo --output demo --overwrite

test: check tests demo

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
	TRIPTYCH_KERNELS=torch $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(WITHOUT_KERNELS)

gate-matrix: $(VENV)/.installed-dev
	$(BIN)/python tests/matrix.py $(MATRIX_ARGS)

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Triptych needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/triptych/kernels/*.[chi]*)
	@echo "installing Triptych into $(VENV) (about a minute) ..."
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the tools of development ..."
	$(INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	@echo "installing what the benchmarks compare with and draw with ..."
	$(INSTALL) --editable '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
