# One word a verb. `make leaderboard` and `make test` work on a fresh machine with Python 3.11+.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup leaderboard findings test slow lint clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

leaderboard: setup
	$(BIN)/unlearnbench run digits
	$(BIN)/unlearnbench leaderboard digits --out leaderboard

# After an official run: the tables in submissions/README.md follow; what is said about them is for a person to check.
findings: setup
	$(BIN)/python -m unlearnbench.report.findings leaderboard/trials.csv submissions/README.md

test: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	for folder in $$(dirname $$(ls submissions/*/*.py) | sort -u); do MYPYPATH=$$folder $(BIN)/python -m mypy $$folder/*.py || exit 1; done
	$(BIN)/python -m pytest

slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m mypy

clean:
	rm -rf .venv build *.egg-info
