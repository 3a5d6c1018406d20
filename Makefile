# `make run` and `make test` need Python >= 3.11 and nothing else: no compiler, no GPU, no key, no login.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: browser run tasks examples bench test test-full kills attacks conformance lint test-apple test-hydra clean help

help:           ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

run: $(VENV)/.installed           ## a complete search, about a minute
	$(BIN)/python -m metalsci.run task=lbm

tasks: $(VENV)/.installed         ## every seed kernel at every size, in one table
	$(BIN)/python -m metalsci.evaluate -m 'task=glob(*)' gate=true repeats.warmup=1 repeats.timed=3

examples: $(VENV)/.installed      ## the hand-written kernels beside their seeds, in processor time, in one table
	$(BIN)/python benchmarks/examples.py

bench: $(VENV)/.installed         ## the software device beside PoCL, Intel's OpenCL runtime and C; on a quiet machine
	$(BIN)/python benchmarks/bench.py

# worksteal: a worker that has nothing left takes tests from the end of another's, so that files mostly stay together.
test: $(VENV)/.installed-dev lint browser ## everything that CI checks, on every core
	$(BIN)/python -m pytest -n auto --dist worksteal

# The report's page is tested in a real browser. It is installed if there is none, by root (as in a container) and in CI;
# on a machine of your own that is left to you, and without one these tests are skipped.
BROWSERS := chromium chromium-browser google-chrome

browser:        ## Chromium, for the tests of pages
	@for name in $(BROWSERS); do if command -v $$name >/dev/null; then exit 0; fi; done; \
	if command -v apt-get >/dev/null && { [ -n "$$CI" ] || [ "$$(id -u)" = 0 ]; }; then \
	  echo "no Chromium: installing Debian's, for the tests of pages"; \
	  $$(test $$(id -u) = 0 || echo sudo -n) timeout 300 sh -c \
	    'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null 2>&1' && exit 0; \
	fi; \
	echo "no Chromium: the tests of pages will be skipped (apt-get install chromium)"

lint: $(VENV)/.installed-dev      ## style, types, the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-full: $(VENV)/.installed-dev ## tasks at the benchmark's own sizes, about 10 minutes
	$(BIN)/python -m pytest tests/tasks -m full --timeout 1800

kills: $(VENV)/.installed-dev     ## 200 searches killed at random points, each resumed, a few minutes
	$(BIN)/python -m pytest tests/search/test_kills.py -m kills -n auto --timeout 1800

attacks: $(VENV)/.installed-dev   ## every kernel that tries to win without being faster, about 10 minutes
	$(BIN)/python -m pytest tests/attacks -m attacks -n auto --dist worksteal --timeout 600

conformance: $(VENV)/.installed-dev ## the software device against Metal's specification, the long part
	$(BIN)/python -m pytest tests -m conformance -n auto --dist worksteal --timeout 3600
	for way in lanes loops stacks; do \
	  METALSCI_EXECUTION=$$way $(BIN)/python -m pytest tests/conformance -n auto --dist worksteal --timeout 3600 || exit 1; done

test-apple: $(VENV)/.installed-dev ## the tests that need a real Apple GPU
	$(BIN)/python -m pytest -m apple

# What meets Hydra: schemas, refusals, resumes, sweeps, the commands.
HYDRA_TESTS := tests/experiment tests/cli tests/test_config.py tests/test_cli.py tests/test_refusals.py \
	tests/test_evaluate_command.py tests/extending tests/test_doctor.py tests/test_examples.py

test-hydra: test-hydra-1.3 test-hydra-1.4   ## the tests that meet Hydra, with 1.3 and with 1.4, each in its own environment

test-hydra-%: pyproject.toml
	test -x $(VENV)-hydra-$*/bin/python || $(PYTHON) -m venv $(VENV)-hydra-$*
	$(VENV)-hydra-$*/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)-hydra-$*/bin/python -m pip install --quiet -e . --group dev "hydra-core>=$*.0rc0,<$*.999"
	$(VENV)-hydra-$*/bin/python -c "import hydra; print('Hydra', hydra.__version__)"
	$(VENV)-hydra-$*/bin/python -m pytest -n auto --dist worksteal $(HYDRA_TESTS)

clean:          ## remove what the targets above made
	rm -rf $(VENV) $(VENV)-hydra-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else f"metalsci needs Python 3.11 to 3.13, and $(PYTHON) is {sys.version.split()[0]}: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"   # the first with --group

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e . --group dev
	touch $@ $(VENV)/.installed
