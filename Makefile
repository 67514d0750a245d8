# One word a verb. `make leaderboard` and `make test` work on a fresh machine with Python 3.11+.
PYTHON ?= python3
BIN := .venv/bin

BASE ?= main
SUITE ?= digits-quick
ALWAYS_RUN := retrain

.PHONY: setup leaderboard findings test slow lint check check-submissions clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# A demonstration: one seed of the default suite. The committed board stays as it is.
leaderboard: setup
	$(BIN)/unlearnbench run digits --seed 0
	$(BIN)/unlearnbench leaderboard digits --seed 0 --out build/leaderboard

# After an official run: the tables in submissions/README.md follow; what is said about them is for a person to check.
findings: setup
	$(BIN)/python -m unlearnbench.report.text.findings leaderboard/trials.csv submissions/README.md

test: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	for folder in $$(dirname $$(ls submissions/*/*.py) | sort -u); do MYPYPATH=$$folder $(BIN)/python -m mypy $$folder/*.py || exit 1; done
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m mypy

# What the default suite gives today, against the committed baseline; on the machine that wrote it, to the last digit.
check: setup
	$(BIN)/unlearnbench check --against leaderboard/baseline.csv

# What the submissions that differ from those of the revision BASE give on SUITE, before and after.
check-submissions: setup
	rm -rf .check
	mkdir .check
	git archive $(BASE) submissions | tar -x -C .check
	$(BIN)/unlearnbench methods --changed-from .check/submissions > .check/changed
	echo "Changed submissions: $$(tr '\n' ' ' < .check/changed)" | tee .check/summary.md
	for name in $$(cat .check/changed); do test ! -d submissions/$$name || $(BIN)/unlearnbench validate submissions/$$name || exit 1; done
	$(BIN)/unlearnbench run $(SUITE) $(call those_in,.check/submissions) --submissions .check/submissions --data .check --database .check/base.db
	$(BIN)/unlearnbench baseline $(SUITE) --out .check/baseline.csv --database .check/base.db
	$(BIN)/unlearnbench run $(SUITE) $(call those_in,submissions) --data .check --database .check/now.db
	$(BIN)/unlearnbench leaderboard $(SUITE) --out .check/leaderboard --database .check/now.db
	$(BIN)/unlearnbench check --against .check/baseline.csv --no-run --database .check/now.db --summary .check/summary.md --junit .check/junit.xml

# Options that name the changed submissions, and the one that is the unit of cost, of those that are in the folder.
those_in = $$(for name in $(ALWAYS_RUN) $$(cat .check/changed); do test ! -d $(1)/$$name || echo --method $$name; done)

clean:
	rm -rf .venv build *.egg-info
