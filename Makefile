# make run     everything on this machine until Ctrl-C
# make test    the test suite on the same embedded parts
# make test-long   what takes minutes besides: restores, deployments side by side, chaos that has to fail
# make demo    a finite showcase; exits 0 only if every check holds
# make check   lint, types, import direction, migrations in step with the models
# make histories   record the lives of tests/replay that have no history yet (ARGS=--again: all of them)

SHELL := /bin/bash
.DEFAULT_GOAL := run
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

# Tests and `perennial dev` start many interpreters: what one has compiled, the others need not, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install run demo test test-long check histories lock clean dev-install

run: install
	@exec $(BIN)/perennial dev $(ARGS)

install: $(VENV)/.installed

demo: install
	@exec $(BIN)/perennial demo $(ARGS)

# In three processes, each with a stack of its own: on two cores they wait for servers most of the time.
test: dev-install
	$(BIN)/pytest -n 3 -m "not long" $(ARGS)

test-long: dev-install
	$(BIN)/pytest -n 3 -m long $(ARGS)

check: dev-install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/perennial migrate --check

histories: dev-install
	$(BIN)/python -m tests.replay.record $(ARGS)

dev-install: $(VENV)/.installed-dev

# The environment: made once, brought up to date when a lock file or pyproject.toml changes.
$(BIN)/python:
	@python=$$(for candidate in $(PYTHON) python3.11 python3; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; \
		then echo "$$candidate"; break; fi; done); \
	if [ -z "$$python" ]; then \
		echo "Perennial needs Python 3.11; neither python3.11 nor python3 is that version." >&2; \
		echo "On Debian 12: apt-get install python3 python3-venv. Or name one: make install PYTHON=/path/to/python3.11" >&2; \
		exit 1; fi; \
	if ! "$$python" -m venv $(VENV) > .venv.log 2>&1; then \
		echo "$$python cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2; \
		echo "What it said:" >&2; cat .venv.log >&2; rm -rf $(VENV) .venv.log; exit 1; fi; \
	rm -f .venv.log

$(VENV)/.installed: requirements/base.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing Perennial and its pinned dependencies into $(VENV) ..."
	@$(PIP) install --quiet -r requirements/build.txt -r requirements/base.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt $(VENV)/.installed
	@echo "Installing what tests and checks need ..."
	@$(PIP) install --quiet -r requirements/dev.txt
	@touch $@

# The newest versions that pyproject.toml allows, written to the lock files.
lock: | $(BIN)/python
	@test -x $(BIN)/pip-compile || $(PIP) install --quiet pip-tools
	$(COMPILE) $(ARGS) --output-file requirements/build.txt requirements/build.in
	$(COMPILE) $(ARGS) --output-file requirements/base.txt pyproject.toml
	$(COMPILE) $(ARGS) --extra dev --constraint requirements/base.txt --output-file requirements/dev.txt pyproject.toml

# Everything that can be made again. The state of `perennial dev` (.perennial/) stays.
clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
