# Two commands do everything: `make run` and `make test`. They need Python 3.11 or later, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := app ingest logstv schema store
LOGSTV ?= $(BIN)/logstv

.DEFAULT_GOAL := help
.PHONY: help run test check format bench drills lock clean

help:  ## Say what there is.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/'

run: $(VENV)/run  ## Start everything on a built-in chat, and say where to look. Ctrl-C stops it.
	@$(LOGSTV) up --demo

test: $(VENV)/dev  ## Run the tests against a real Cassandra, which they start and stop.
	@$(BIN)/pytest $(ARGS)

check: $(VENV)/dev  ## Format, lint, types.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@if command -v tsc >/dev/null; then tsc; \
	    else echo "The types of the page were not checked: no tsc is here (npm install --global typescript)."; fi

format: $(VENV)/dev  ## Bring the code into form.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/dev  ## Measure; prints numbers and writes them to bench/results.
	@$(BIN)/python -m bench.storage $(ARGS)
	@$(BIN)/python -m bench.pages $(ARGS)
	@$(BIN)/python -m bench.ingest $(ARGS)
	@$(BIN)/python -m bench.page $(ARGS)
	@$(BIN)/python -m bench.windows $(ARGS)
	@$(BIN)/python -m bench.reads $(ARGS)
	@$(BIN)/python -m bench.archive $(ARGS)
	@$(BIN)/python -m bench.archive $(ARGS)

drills: $(VENV)/dev  ## Break things under load, and count what is missing; about an hour.
	@for drill in kill_worker "kill_worker --redundancy 2" flaky_chat full_disk workers nodes outage soak readers \
	    archive_kills; do \
	    $(BIN)/python -m bench.drills.$$drill || exit 1; done

lock: $(VENV)/dev  ## Choose the newest versions that pyproject.toml allows.
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-emit-index-url --generate-hashes \
	    --python-version 3.11 pyproject.toml -o requirements/run.lock
	@$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-emit-index-url --generate-hashes \
	    --python-version 3.11 --group dev pyproject.toml -o requirements/dev.lock
	@sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(BIN)/uv pip compile --quiet --universal --upgrade --no-header \
	    --no-emit-index-url --generate-hashes --python-version 3.11 - -o requirements/build.lock

clean:  ## Remove what was made here, but for logs that were recorded.
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "logstv needs Python 3.11 or later; name one with PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: install python3-venv"; exit 1; }

$(VENV)/run: requirements/run.lock pyproject.toml | $(BIN)/pip
	@echo "Installing what logstv needs into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/dev: requirements/dev.lock $(VENV)/run
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@
