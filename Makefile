# Everything from one command; the tools live in .venv, the rest in the cache outside this clone.
PYTHON ?= python3
TOX := .venv/bin/python -m tox run
SETUP_JSON := build/setup.json

.PHONY: help setup report test walk lock clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

setup: .venv/ready  ## fetch and verify everything that is needed; offline the second time
	$(TOX) -e setup -- --json $(SETUP_JSON)

report: setup  ## run the pipeline on the real services and print the claims with their verdicts
	$(TOX) -e report -- $(ARGS)

test: setup  ## lint, types, all tests, and a share of the mutants; with Docker, the tests on it
	$(TOX) -e lint,typing,unit,integration,e2e,mutants-fast,zookeeper,compose,containers

walk: setup  ## (needs Docker) the document's commands in docker compose, each with a check
	$(TOX) -e walk -- $(ARGS)

lock:  ## (maintainers) pin requirements.txt anew, and of it what the image needs
	.tox/shared/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --all-extras --no-emit-find-links --no-emit-index-url --output-file requirements.txt \
	  pyproject.toml
	.tox/shared/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --extra pipeline --constraint requirements.txt --no-emit-find-links --no-emit-index-url \
	  --output-file requirements-image.txt pyproject.toml

clean:  ## remove what was built in this clone; the cache stays
	rm -rf .venv .tox build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/ready: requirements.txt tools/wheels.py
	$(PYTHON) tools/wheels.py tools .venv
	@touch $@
