# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
CORES ?= 2
# One more than cores: tests on the little Slurm mostly wait for it.
WORKERS ?= $(shell expr $(CORES) + 1)
# Further options of pytest, such as --demo-results=results/demo.
PYTEST ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
REPORT := results/demo/validate/report/index.html

.PHONY: setup demo test pytest lint clean distclean

setup: $(READY)

# The lock decides what is installed; the package itself goes in editable, so that jobs run
# this checkout's code.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("giblet needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": run make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/snakemake --cores $(CORES)
	@echo
	@echo "Done. Open this file in a browser: $(CURDIR)/$(REPORT)"

test: lint pytest

pytest: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy giblet
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

clean:
	rm -rf results logs .snakemake build .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf $(VENV) giblet.egg-info
