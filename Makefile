# Everything about Tenantry is one of these; `make` alone lists them.
#
# VENV, PYTHON, TENANTRY_HOME and PORT may be given: make run PORT=8001

VENV ?= .venv
PYTHON ?=
PORT ?= 8000
TENANTRY_HOME ?= .tenantry
export PORT TENANTRY_HOME

BIN := $(VENV)/bin
SERVERS := $(BIN)/python -m config.embedded exec --test --
MANAGE := $(BIN)/python manage.py
APPS := config audit orgs projects keys sso webhooks

.DEFAULT_GOAL := help
.PHONY: help run test bench lint format lock docs screenshots clean venv chromium wrk checks \
	check-style check-format check-templates check-types check-imports check-migrations check-models \
	check-project check-docs

##@ Use
run: venv ## Start everything: database, cache, web server, worker, beat. One Ctrl-C ends it all
	@$(BIN)/python -m config.run

##@ Develop
test: venv $(if $(T),,chromium) ## Run the tests. T=tests/orgs runs a part of them
	@$(SERVERS) $(BIN)/python -m pytest -n $(if $(T),0,auto) --dist loadgroup $(T)

bench: venv wrk ## Measure speed against baselines of the same run. B=verification runs a part of it
	@TENANTRY_HOME=$(TENANTRY_HOME)/benchmarks $(BIN)/python -m config.embedded exec -- \
		$(BIN)/python -m benchmarks $(B)

lint: venv ## Check style, types, templates, import contracts, migrations and generated documents
	@$(SERVERS) $(MAKE) --no-print-directory --keep-going checks

format: venv ## Bring code and templates into shape
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@find $(APPS) templates -name '*.html' -exec $(BIN)/djade --target-version 5.2 {} +

docs: venv ## Write the generated documents
	@$(SERVERS) $(MANAGE) generate_docs

screenshots: venv chromium ## Take the pictures of the documentation
	@$(SERVERS) $(BIN)/python -m tests.browser.screenshots

# The hashes are those of PyPI's own files for every platform, whatever mirrors this machine is set up with.
# async-timeout: redis needs it on Python 3.11.0 to 3.11.2 only, so a newer Python would leave it out of the lock.
lock: venv ## Pin the dependencies of pyproject.toml in requirements.txt
	@echo 'async-timeout>=4.0.3' | env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL \
		PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND='make lock' \
		$(BIN)/pip-compile --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements.txt pyproject.toml - $(if $(UPGRADE),--upgrade)

clean: ## Remove caches, the virtual environment and the data of the tests (not those of `make run`)
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m config.embedded remove-test-data; fi
	@rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	@find $(APPS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# What each target sets up by itself -----------------------------------------------------------------------------

# Installs when requirements.txt differs from the copy that was installed last.
venv:
	@if cmp -s requirements.txt $(VENV)/installed.txt && $(BIN)/python -c '' 2>/dev/null; then exit 0; fi; \
	set -e; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		found=''; \
		for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
			if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				found=$$python; break; \
			fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'Tenantry needs Python 3.11 or newer; install it, or name it: make run PYTHON=/path/to/python3' >&2; \
			exit 1; \
		fi; \
		if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "$$found cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
			exit 1; \
		fi; \
		echo "Making the virtual environment $(VENV) with $$($$found --version)."; \
		$$found -m venv --clear $(VENV); \
	fi; \
	echo 'Installing requirements.txt; this takes a minute the first time.'; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; \
	cp requirements.txt $(VENV)/installed.txt

# The browser tests drive the system's Chromium.
chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		if command -v $$name >/dev/null 2>&1; then exit 0; fi; \
	done; \
	if [ -d '/Applications/Google Chrome.app' ] || [ -d /Applications/Chromium.app ]; then exit 0; fi; \
	root=''; \
	if [ "$$(id -u)" -ne 0 ]; then root='sudo -n'; fi; \
	if command -v apt-get >/dev/null 2>&1 && $$root true 2>/dev/null; then \
		echo 'Installing Chromium for the browser tests.'; \
		if $$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium; \
		then exit 0; fi; \
	fi; \
	echo 'The browser tests need Chromium, which could not be installed; install it with your package manager.' >&2; \
	exit 1

# The benchmarks' load comes from wrk.
wrk:
	@if command -v wrk >/dev/null 2>&1; then exit 0; fi; \
	root=''; \
	if [ "$$(id -u)" -ne 0 ]; then root='sudo -n'; fi; \
	if command -v apt-get >/dev/null 2>&1 && $$root true 2>/dev/null; then \
		if $$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y wrk; \
		then exit 0; fi; \
	fi; \
	echo 'The benchmarks need wrk, which could not be installed; install it with your package manager.' >&2; \
	exit 1

# The parts of `make lint`; they run with the servers up, and all of them run even when one fails ------------------
checks: check-style check-format check-templates check-types check-imports check-migrations check-models \
	check-project check-docs

check-style:
	$(BIN)/ruff check .

check-format:
	$(BIN)/ruff format --check .

check-templates:
	find $(APPS) templates -name '*.html' -exec $(BIN)/djade --check --target-version 5.2 {} +

check-types:
	$(BIN)/mypy

check-imports:
	$(BIN)/lint-imports

check-migrations:
	$(MANAGE) lintmigrations --include-apps $(filter-out config,$(APPS)) --ignore-initial-migrations \
		--warnings-as-errors --no-cache --quiet ok ignore

check-models:
	$(MANAGE) makemigrations --check --dry-run

check-project:
	$(MANAGE) check --fail-level WARNING

check-docs:
	$(MANAGE) generate_docs --check
