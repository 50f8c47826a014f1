# `make demo` and `make test` need Python 3.11 or later with its venv module; they install everything else into .venv.

PYTHON ?= python3
RUN ?= runs/demo
RUNS ?= runs
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input --constraint constraints.txt
PYTEST := $(BIN)/pytest
# pytest's exit code 5, no test selected, is fine where a marker may be empty.
OR_NONE := || [ $$? -eq 5 ]

.PHONY: demo report test chromium test-dashboard test-slow test-real coverage check docs format hooks images clean

## Run the seven-day demonstration test: a scorecard here, a page in runs/demo/report.html.
demo: .venv/runtime
	rm -rf runs/demo
	$(BIN)/askew run demo --out runs/demo

## Write the report of a run anew: make report RUN=runs/demo
report: .venv/runtime
	$(BIN)/askew report $(RUN)

## The everyday tests, with shape checks.
test: .venv/dev
	$(PYTEST) -n 2 --dist loadfile -m "not slow and not real and not browser"

## Debian's chromium, where it is not there; anywhere else, install one and name it in ASKEW_CHROMIUM.
chromium:
	@test -x "$${ASKEW_CHROMIUM:-/usr/bin/chromium}" || { \
	sudo=$$(test "$$(id -u)" -eq 0 || echo "sudo -n"); \
	$$sudo apt-get update -q && $$sudo apt-get install -qy --no-install-recommends chromium fonts-liberation; } || { \
	echo "no chromium at /usr/bin/chromium, and apt-get could not install it: install it as root, or set ASKEW_CHROMIUM" >&2; exit 2; }

## The dashboard in a browser.
test-dashboard: .venv/dev chromium
	$(PYTEST) -m browser

## The long calibrations.
test-slow: .venv/dev
	$(PYTEST) -m "slow and not real and not browser" $(OR_NONE)

## The documentation's site, without network: build/docs/index.html. A broken link or docstring fails.
docs: .venv/dev
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs build/docs
	@echo "build/docs/index.html"

## The tests on KuaiRand rows: make test-real ASKEW_KUAIRAND=FOLDER
test-real: .venv/dev
	@test -d "$(ASKEW_KUAIRAND)" || { echo "ASKEW_KUAIRAND='$(ASKEW_KUAIRAND)' given, want the folder that holds kuairand-pure-sample/: make test-real ASKEW_KUAIRAND=FOLDER" >&2; exit 2; }
	ASKEW_KUAIRAND="$(ASKEW_KUAIRAND)" $(PYTEST) -m real $(OR_NONE)

## Which lines the everyday tests reach; compiled kernels are not traced.
coverage: .venv/dev
	$(PYTEST) -m "not slow and not real and not browser" --cov --cov-report=term-missing:skip-covered
	@echo "target: 95%, now $$($(BIN)/coverage report --format=total)%"

## Format, lint and types.
check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

## Format the tree, and mend what ruff can.
format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## Check before each commit.
hooks: .venv/dev
	git config core.hooksPath .githooks

## Pictures of every page, light and dark: make images RUNS=FOLDER; all in runs/images, the best four in docs/images.
images: .venv/dev chromium
	PYTHONPATH=. $(BIN)/python tests/dashboards/screenshots.py $(RUNS) runs/images docs/images

## Back to a fresh checkout; runs other than the demonstration stay.
clean:
	rm -rf .venv runs/demo build dist .pytest_cache .ruff_cache .hypothesis .coverage
	find dashboards policies simulator tests user_models -name __pycache__ -prune -exec rm -rf {} +

# What is installed is stamped, so that pip runs again only when these two files change.
.venv/runtime: pyproject.toml constraints.txt | .venv/created
	$(INSTALL) --editable '.[dashboard,rankers]'
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/created
	$(INSTALL) --editable '.[dev]'
	touch .venv/runtime $@

.venv/created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "Python %d.%d found, want 3.11 or later: make PYTHON=python3.11" % v[:2])'
	$(PYTHON) -m venv .venv
	touch $@
