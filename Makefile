# Every target makes its own environment first; nothing but Python 3.11+, git and the internet is needed.
.DEFAULT_GOAL := help
.PHONY: help lab test check clients clients-all bench corpus conformance story story-real soak clean environment labextension format openapi
PY := .venv/bin/python
ARGS ?=
ONLY ?=
DATA ?=
CORPORA ?=

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

environment:
	@scripts/environment

labextension: environment ## build the JupyterLab extension where its sources changed
	@$(PY) hatch_build.py --if-stale

lab: labextension ## start everything on loopback and open JupyterLab (ARGS=--no-browser for headless)
	@.venv/bin/athena up --sample $(ARGS)

test: labextension ## run the tests (browser tests need chromium, else they are skipped and counted)
	@$(PY) -m pytest -m "not story and not soak and not clients" $(ARGS)

check: labextension ## formatting, types, architecture, shape, TypeScript
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PY) -m pytest -q tests/test_shape.py
	@$(PY) hatch_build.py --check

clients: environment ## other people's BigQuery clients against the emulator: those of the project's own lock
	@$(PY) -m pytest tests/clients $(ARGS)

clients-all: environment ## all of them, ibis, dbt and Airflow's operators too, in an environment of their own (.cache/clients)
	@scripts/clients-environment
	@.cache/clients/bin/python -m pytest tests/clients -W default --disable-warnings $(ARGS)

story: labextension ## the README's story end to end, in a real browser and over HTTP; every way in which a stack ends
	@$(PY) -m pytest tests/acceptance tests/stack/test_running_stack.py -m story $(ARGS)

story-real: labextension ## the same story on real input: make story-real DATA=vic_electricity.csv
	@ATHENA_STORY_DATA="$(DATA)" $(PY) -m pytest tests/acceptance/test_story_real.py -m story $(ARGS)

soak: labextension ## long acceptance runs (workers killed, schedules awaited); prints JSON lines
	@$(PY) -m pytest tests -m soak -s $(ARGS)

bench: labextension ## figures as JSON lines (ONLY=query, run, deploy or emulator)
	@$(PY) -m bench $(ONLY)

corpus: environment ## the corpora of slicing and lineage: figures as JSON lines
	@$(PY) -m bench.corpus

conformance: environment ## the GoogleSQL corpora against the emulator: make conformance CORPORA=FOLDER
	@$(PY) -m bench.conformance "$(CORPORA)" $(ARGS)

format: environment
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .

openapi: environment ## write docs/openapi.json anew from the gateway's models
	@$(PY) -m athena_lab.gateway.openapi > docs/openapi.json

clean: ## remove what the targets made (not ATHENA_HOME)
	rm -rf .venv .tools .cache/clients artifacts dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	rm -rf athena_lab/labextension labextension/node_modules labextension/lib
