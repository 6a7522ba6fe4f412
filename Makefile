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

.PHONY: demo test check tests gate-matrix sanitize sanitize-address sanitize-undefined sanitize-thread bench clean

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

# the kernels' tests under three sanitizers, in some minutes; see CONTRIBUTING.md
sanitize: sanitize-address sanitize-undefined sanitize-thread

KERNELS := $(wildcard src/triptych/kernels/*.[chi]*)
WATCHED := PYTHONPATH=tests/sanitizers/site UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc
WATCHED_TESTS := tests/kernels/test_kernels.py tests/kernels/test_threads.py tests/reliability/test_kernel_arguments.py -k "not request_for_memory"
PRELOADED = $$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)

build/sanitize/%/.built: CMakeLists.txt $(KERNELS) | $(VENV)/.installed-dev
	rm -rf $(@D)
	CC=gcc CXX=g++ $(BIN)/python -m pip wheel --disable-pip-version-check --quiet --no-deps --wheel-dir $(@D) $(PIP_ARGS) \
	    -C cmake.define.TRIPTYCH_SANITIZER=$* -C cmake.build-type=RelWithDebInfo -C install.strip=false .
	$(BIN)/python -m zipfile -e $(@D)/*.whl $(@D)
	@touch $@

sanitize-address: build/sanitize/address/.built
	$(WATCHED) TRIPTYCH_NATIVE=$(<D) LD_PRELOAD="$(PRELOADED)" $(BIN)/python -m pytest -q $(WATCHED_TESTS)
	@if $(WATCHED) TRIPTYCH_NATIVE=$(<D) LD_PRELOAD="$(PRELOADED)" $(BIN)/python tests/sanitizers/planted.py 2>&1 \
	    | grep -q heap-buffer-overflow; then echo "the planted mistake was found"; else echo "it was not found"; exit 1; fi

sanitize-undefined: build/sanitize/undefined/.built
	$(WATCHED) TRIPTYCH_NATIVE=$(<D) $(BIN)/python -m pytest -q $(WATCHED_TESTS)

# Clang, with its own OpenMP, whose tool Archer explains it to the sanitizer: GCC's gives false alarms
RACES := clang++ -std=c++17 -g -O2 -fopenmp -fsanitize=thread -ffp-contract=fast -Wno-unknown-pragmas -Wno-ignored-attributes \
    -DTRIPTYCH_ISA=baseline '-DTRIPTYCH_NAME="baseline"' src/triptych/kernels/kernels.cpp tests/sanitizers/races.cpp
WATCH_RACES := TSAN_OPTIONS=ignore_noninstrumented_modules=1

sanitize-thread: tests/sanitizers/races.cpp $(KERNELS)
	mkdir -p build/sanitize/thread
	$(RACES) -o build/sanitize/thread/races
	$(RACES) -DPLANTED_RACE -o build/sanitize/thread/planted
	$(WATCH_RACES) build/sanitize/thread/races
	@if $(WATCH_RACES) build/sanitize/thread/planted 2>&1 | grep -q "data race"; \
	    then echo "the planted race was found"; else echo "it was not found"; exit 1; fi

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
