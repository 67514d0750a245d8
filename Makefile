# `make leaderboard` and `make test` work on a fresh Linux machine with Python 3.11 to 3.14.
PYTHON ?= python3
BIN := .venv/bin

BASE ?= main
SUITE ?= digits-quick
ISOLATION ?= process
ALWAYS_RUN := retrain

OFFICIAL := data/official.db
BOARD ?= digits
BOARDS := $(sort $(patsubst leaderboard/%/,%,$(dir $(wildcard leaderboard/*/*.jsonl))))
REPOSITORY ?=
SEEDS := 0 1 2 3 4 5 6 7 8 9

SHOWN := detect_retrain rem/digits scrub/digits npo/digits ssd/digits retrain

PHOTOGRAPHS := fashion-small cifar10-jpeg-small
PHOTOGRAPH_SEEDS := 0 1 2 3 4
PHOTOGRAPH_DATA := data

.DELETE_ON_ERROR:
.PHONY: setup constraints leaderboard tuning official photographs photographs-check photographs-verify plane agreement board
.PHONY: release-board release findings docs test slow lint check check-submissions clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: --requirement constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# All packages with the hashes of their files, for every system and Python version. Versions in the file stay: delete it
# first to renew them, and set the version of setuptools in pyproject.toml to the new one.
constraints:
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --quiet uv==0.13.8
	build/uv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make constraints" --quiet --output-file constraints.txt

# A demonstration: one seed of the default suite. The committed board is not changed.
leaderboard: setup
	$(BIN)/unlearnbench run digits --seed 0
	$(BIN)/unlearnbench leaderboard digits --seed 0 --out build/leaderboard

# Search the hyperparameters of every method that has some. Paste what is found (leaderboard/tuning/) into
# submission.toml. An interrupted search goes on; a finished one is not repeated. Another suite and some methods:
# TUNED=fashion-small TUNABLE="rem scrub" TUNING_DATA=/data.
TUNED := digits
TUNING_DATA := data
TUNABLE = $(patsubst submissions/%/submission.toml,%,$(shell grep -l '^\[search\]' submissions/*/submission.toml))
TUNINGS = leaderboard/tuning$(patsubst %,/%,$(filter-out digits,$(TUNED)))

tuning: setup
	mkdir -p build/tuning/$(TUNED) $(TUNINGS)
	for name in $(TUNABLE); do \
		test -e $(TUNINGS)/$$name.txt && continue; \
		found=build/tuning/$(TUNED)/$$name.txt; \
		$(BIN)/unlearnbench tune $$name --suite $(TUNED) --isolation strict --data $(TUNING_DATA) --database $(OFFICIAL) \
			> $$found || exit 1; \
		sed 's/ *$$//' $$found > $(TUNINGS)/$$name.txt || exit 1; \
	done

# An official board, one immutable file per seed, in a work tree and an environment of its own (CONTRIBUTING.md). Started
# again, it goes on with what is missing. SEEDS="2 3" runs a part, BOARD=digits-plane another suite.
official: setup
	for seed in $(SEEDS); do \
		$(BIN)/unlearnbench run $(BOARD) --seed $$seed --isolation strict --database $(OFFICIAL) || exit 1; \
		$(BIN)/unlearnbench store dump $(BOARD) --database $(OFFICIAL) --seed $$seed --out leaderboard/$(BOARD) || exit 1; \
	done

# Originals of both suites of photographs on seeds that they do not use, and whether augmentation alone heals: what
# docs/photographs-budget.md leaves open. Fashion-MNIST is downloaded; CIFAR-10 is read from data/cifar10-jpeg.
photographs-check: setup
	mkdir -p build/check
	cp suites/*.toml build/check/
	for suite in $(PHOTOGRAPHS); do \
		printf 'extends = "%s"\nname = "%s-check"\ntitle = "Other seeds"\nseeds = [100, 101]\n[tuning]\nseeds = [102]\n' $$suite $$suite \
			> build/check/$$suite-check.toml; \
		$(BIN)/unlearnbench run $$suite-check --suites build/check --method finetune --method npo --method rem \
			--database build/check/results.db || exit 1; \
		$(BIN)/unlearnbench table $$suite-check --by corruption --suites build/check --database build/check/results.db; \
	done

# The boards of photographs, seed by seed: all suites at one seed, then the next. Started again, it goes on with what is
# missing. PHOTOGRAPHS="fashion-small" PHOTOGRAPH_SEEDS="0 1" runs a part.
photographs: setup
	for seed in $(PHOTOGRAPH_SEEDS); do \
		for suite in $(PHOTOGRAPHS); do \
			$(BIN)/unlearnbench run $$suite --seed $$seed --isolation strict --database $(OFFICIAL) || exit 1; \
			$(BIN)/unlearnbench store dump $$suite --database $(OFFICIAL) --seed $$seed --out leaderboard/$$suite || exit 1; \
		done; \
	done

# After an official run of digits-plane: the tables and figures of docs/plane.md. A person checks what is said about them.
plane: build/board.db
	$(BIN)/python -m unlearnbench.report.plane build/board.db digits-plane docs/plane.md

# How far the boards agree on methods, from what is committed of them: a table and a figure in docs/.
agreement: build/board.db
	$(BIN)/python -m unlearnbench.report.agreement build/board.db docs/agreement digits \
		$(foreach suite,$(PHOTOGRAPHS),$(if $(wildcard leaderboard/$(suite)/*.jsonl),$(suite)))

# The committed boards as one store, and as the site that is published (.github/workflows/pages.yml). REPOSITORY is the
# address of the code, to which its pages link. Where boards share trials, the times of those loaded first count.
#
# Metrics are recomputed from predictions and data sets. Photographs are not in the checkout, so their boards are loaded
# as they are, and the pages say so; `photographs-verify` recomputes them where the images are. All files are one origin:
# of a method that was run again, the later state counts.
BOARD_FILES := $(sort $(wildcard leaderboard/digits/*.jsonl))
OPENED := $(wildcard leaderboard/*/seeds.toml)
BOARD_FILES += $(filter-out $(BOARD_FILES),$(sort $(wildcard leaderboard/*/*.jsonl)))
PHOTOGRAPH_FILES := $(filter $(PHOTOGRAPHS:%=leaderboard/%/%),$(BOARD_FILES))

build/board.db: .venv/installed $(BOARD_FILES)
	mkdir -p build
	rm -f $@
	$(BIN)/unlearnbench store load $(filter-out $(PHOTOGRAPH_FILES),$(BOARD_FILES)) $(OPENED:%=--seeds-from %) --origin leaderboard --database $@
	$(BIN)/unlearnbench store load $(PHOTOGRAPH_FILES) --unverified --origin photographs --database $@

# Before the results of a seed of photographs are committed. PHOTOGRAPH_DATA is the folder that has the images.
photographs-verify: setup
	mkdir -p build
	rm -f build/photographs.db
	$(BIN)/unlearnbench store load $(PHOTOGRAPH_FILES) --data $(PHOTOGRAPH_DATA) --database build/photographs.db

board: build/board.db
	rm -rf build/board
	$(BIN)/unlearnbench site $(BOARDS) --repository "$(REPOSITORY)" --database build/board.db --out build/board/site

# The package in build/dist, built from the committed tree and tried in an empty folder, with checksums.
release: setup
	rm -rf build/dist build/source
	mkdir -p build/dist build/source
	git archive HEAD | tar -x -C build/source
	cd build/source && ../../$(BIN)/python -c "from setuptools import build_meta; build_meta.build_sdist('../dist')"
	$(BIN)/python -m pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir build/dist build/dist/*.tar.gz
	cd build/source && DIST=../dist ../../$(BIN)/python -m pytest -m "slow or not slow" tests/test_wheel.py
	cd build/dist && sha256sum *.whl *.tar.gz | tee SHA256SUMS

# The official board as a folder to upload: the committed files as a store, the originals of OFFICIAL, checksums, and how
# to import them.
release-board: setup
	rm -rf build/release
	mkdir -p build/release
	$(BIN)/unlearnbench store load leaderboard/digits/*.jsonl --origin leaderboard --database build/release/board.db
	$(BIN)/unlearnbench originals export digits --database $(OFFICIAL) --data $(dir $(OFFICIAL)) --out build/release/originals
	cp docs/release.md build/release/README.md
	cd build/release && find . -type f ! -name SHA256SUMS | sort | xargs sha256sum > SHA256SUMS

# After an official run: update the tables in submissions/README.md and docs/digits.md, and what `repair` takes for the
# best methods. A person checks what is said about them.
findings: setup build/findings.db build/processor.db
	$(BIN)/python -m unlearnbench.report.text.findings leaderboard/trials.csv submissions/README.md
	$(BIN)/python -m unlearnbench.repairing.recommended leaderboard/trials.csv
	$(BIN)/python benchmarks/digits.py build/findings.db docs/digits.md --processor build/processor.db

build/findings.db: .venv/installed $(wildcard leaderboard/digits/*.jsonl leaderboard/digits-audited-*/*.jsonl benchmarks/variations/*/*.jsonl)
build/processor.db: .venv/installed $(wildcard benchmarks/another-processor/*.jsonl)
build/findings.db build/processor.db:
	mkdir -p build
	rm -f $@
	$(BIN)/unlearnbench store load $(filter %.jsonl,$^) $(OPENED:%=--seeds-from %) --origin leaderboard --database $@

# The command line reference from the help texts, and the maps that the README shows from the committed board.
docs: setup build/board.db
	$(BIN)/python -m typer unlearnbench.cli utils docs --name unlearnbench --title "Command line reference" --output docs/cli.md
	$(BIN)/unlearnbench plot maps digits $(SHOWN:%=--method %) --database build/board.db --out docs/maps.png

test: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m mypy

# Compare the default suite with the committed leaderboard; on the machine that wrote it, to the last digit.
check: setup
	$(BIN)/unlearnbench check --against leaderboard/trials.csv

# Run the submissions that differ from revision BASE on SUITE, before and after, and compare; say where new ones would
# stand on the committed board. Run submissions of people you do not know with ISOLATION=strict.
check-submissions: setup
	rm -rf .check
	mkdir .check
	git archive $(BASE) submissions | tar -x -C .check
	$(BIN)/unlearnbench methods --changed-from .check/submissions > .check/changed
	echo "Changed submissions: $$(tr '\n' ' ' < .check/changed)" | tee .check/summary.md
	for name in $$(cat .check/changed); do test ! -d submissions/$$name || $(BIN)/unlearnbench validate submissions/$$name --isolation $(ISOLATION) || exit 1; done
	$(BIN)/unlearnbench run $(SUITE) $(call those_in,.check/submissions) --submissions .check/submissions --data .check --database .check/base.db --isolation $(ISOLATION)
	$(BIN)/unlearnbench baseline $(SUITE) --out .check/baseline.csv --database .check/base.db
	$(BIN)/unlearnbench run $(SUITE) $(call those_in,submissions) --data .check --database .check/now.db --isolation $(ISOLATION)
	$(BIN)/unlearnbench leaderboard $(SUITE) --out .check/leaderboard --database .check/now.db
	$(BIN)/unlearnbench store load leaderboard/digits/*.jsonl --origin leaderboard --database .check/board.db
	$(BIN)/unlearnbench baseline digits --out .check/board.csv --database .check/board.db
	$(BIN)/unlearnbench check --against .check/baseline.csv --no-run --database .check/now.db --board .check/board.csv --summary .check/summary.md --junit .check/junit.xml

# `--method` options for the changed submissions and the unit of cost, as far as the folder has them.
those_in = $$(for name in $(ALWAYS_RUN) $$(cat .check/changed); do test ! -d $(1)/$$name || echo --method $$name; done)

clean:
	rm -rf .venv build *.egg-info
