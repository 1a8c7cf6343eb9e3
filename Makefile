# The words of this project. `make serve` and `make test` need Python 3.11+, make and apt, nothing else.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
CHROMIUM := $(shell command -v chromium)
WEBSERVERS := $(wildcard /usr/sbin/nginx /usr/sbin/apache2)
NPM := $(shell command -v npm)
EDITOR_BUNDLE := src/cnrs_graph/static/manifest.json

.PHONY: serve test check format lint types valid docs lock editor bench bench-validate clean

# Without npm the query page is a plain form; nothing is installed for it.
serve: $(VENV)/installed
	@if [ -n "$(NPM)" ]; then $(MAKE) --no-print-directory $(EDITOR_BUNDLE) || true; fi
	@[ -f $(EDITOR_BUNDLE) ] || echo "The query editor was not built (it needs npm): /sparql is a plain form, and there are no maps."
	$(BIN)/cnrs-graph serve --port $(PORT)

test: npm $(VENV)/installed-dev browser webservers editor standards
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: lint types test valid docs

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

valid: $(VENV)/installed-dev
	$(BIN)/cnrs-graph validate --quiet

docs: $(VENV)/installed-dev
	$(BIN)/python docs/make_reference.py --check

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/make_reference.py

# Beside other servers; BENCH="--sizes 5000,1000000" for more. See benchmarks/README.md.
bench: $(VENV)/installed-dev
	$(BIN)/python benchmarks/run.py $(BENCH)

# Validators beside each other; BENCH="--reference 10000,100000" lets pySHACL take its time.
bench-validate: $(VENV)/installed-dev
	$(BIN)/python benchmarks/validators.py $(BENCH)

# The lock files hold names, versions and hashes only.
lock: $(VENV)/installed-dev
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate -o requirements.lock pyproject.toml requirements-build.in
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate -c requirements.lock -o requirements-dev.lock pyproject.toml --group dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { $(SUDO) apt-get update && $(SUDO) apt-get install -y python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/installed: $(VENV)/bin/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

editor: $(EDITOR_BUNDLE)

$(EDITOR_BUNDLE): editor/package-lock.json $(wildcard editor/*.mjs) $(wildcard editor/src/*) | npm
	cd editor && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build

# The standards' own test suite and schemas, which the project does not hold.
standards: npm
	python3 tests/fetch_standards.py

.PHONY: npm browser webservers standards
npm:
ifeq ($(NPM),)
	$(SUDO) apt-get update
	$(SUDO) apt-get install -y --no-install-recommends nodejs npm
endif

browser:
ifeq ($(CHROMIUM),)
	$(SUDO) apt-get update
	$(SUDO) apt-get install -y --no-install-recommends chromium
endif

webservers:
ifneq ($(words $(WEBSERVERS)),2)
	$(SUDO) apt-get update
	$(SUDO) apt-get install -y --no-install-recommends nginx-light apache2-bin
endif

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache editor/node_modules src/cnrs_graph/static
