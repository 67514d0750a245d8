"""Two boards in one store: what is compared, how far they agree, and which methods change places."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import create_engine

from tests.small_store import CORRUPTIONS, Stored
from unlearnbench.errors import UsageError
from unlearnbench.report.agreement import agreement_markdown, pairs_markdown, places_markdown, write_agreement
from unlearnbench.report.numbers.agreement import agreement, comparable, means, places, scores_by_corruption
from unlearnbench.report.numbers.scores import Scores
from unlearnbench.report.numbers.standings import Standings, read_standings
from unlearnbench.store.schema import Base
from unlearnbench.store.store import Store

SMALL = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5, "f": 0.6}
LARGE = SMALL | {"a": 0.55, "b": 0.15}
"""In the low row, on which the large board differs: a goes from the last place to the second."""
CELLS = list(product(CORRUPTIONS, (0.1, 1.0), (0, 1)))


def fill(stored: Stored) -> None:
    stored.problems()
    for suite, of_low in (("small", SMALL), ("large", LARGE)):
        stored.run(suite, suite)
        extra = {"oracle": 1.0, "f/tuned": 0.9, "half": 0.9}  # a reference, a variant, a method with a missing trial
        for name, healed in (of_low | extra).items():
            method, _, variant = name.partition("/")
            key = f"{suite} {name}"
            stored.submission(key, method, variant or "default", "reference" if method == "oracle" else "ranked")
            for cell in CELLS:
                missing = name == "half" and suite == "large" and cell[0] == "high"
                value = healed if cell[0] == "low" else SMALL.get(method, healed)
                stored.trial(suite, key, cell, "missing" if missing else "finished", healed=value, utility=0.5)


def scored(values: list[list[float]]) -> Scores:
    """Scores of a row per method and a column per seed, all from the same originals."""
    array = np.array(values)
    methods, seeds = tuple("abc"[: len(array)]), tuple(map(str, range(array.shape[1])))
    return Scores(methods, seeds, {"aggregate": array}, np.broadcast_to(np.arange(len(seeds)), array.shape))


@pytest.fixture(scope="module")
def boards() -> dict[str, Standings]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    fill(Stored(engine))
    return {name: read_standings(engine, name) for name in ("small", "large")}


def test_compared_are_whole_defaults_without_references(boards: dict[str, Standings]) -> None:
    scores = scores_by_corruption(comparable(boards))
    assert list(scores) == ["all", "poison-trigger", "class-swap", "random-swap"]
    low = means(scores["random-swap"])
    assert low.index.tolist() == list(SMALL)
    assert low["large"].tolist() == pytest.approx([50 * value for value in LARGE.values()])
    assert means(scores["all"]).loc["a"].tolist() == pytest.approx([5.0, 50 * (0.1 + 0.1 + 0.55) / 3])


def test_compared_are_methods_with_all_seeds_of_the_board(boards: dict[str, Standings]) -> None:
    """Else means over other seeds would stand beside each other."""
    totals = boards["small"].totals
    late = (totals["method"] == "a") & (totals["seed"] == totals["seed"].iloc[0])
    fewer = replace(boards["small"], totals=totals.assign(whole=totals["whole"] & ~late))
    assert "a" not in set(comparable({"small": fewer, "large": boards["large"]})["small"]["method"])


def test_the_correlation_is_that_of_the_ranks_by_corruption(boards: dict[str, Standings]) -> None:
    table = agreement(scores_by_corruption(comparable(boards))).set_index("corruption")
    assert (table[["first", "second", "methods"]] == ["small", "large", 6]).all(axis=None)
    assert table.loc["class-swap", "spearman"] == pytest.approx(1)
    expected = stats.spearmanr(list(SMALL.values()), list(LARGE.values())).statistic
    assert table.loc["random-swap", "spearman"] == pytest.approx(expected)
    low, high = table.loc["random-swap", ["spearman_low", "spearman_high"]]
    assert low < expected < high
    assert "| small, large | 0.94 " in agreement_markdown(table.reset_index())


def test_pairs_that_the_first_board_tells_apart() -> None:
    """On the first board a is ahead of the others, and b and c are the same but for noise."""
    first = [[0.9, 0.8, 0.9, 0.7], [0.3, 0.2, 0.3, 0.2], [0.2, 0.3, 0.2, 0.3]]
    second = [[0.5, 0.6, 0.5, 0.6], [0.8, 0.9, 0.9, 0.9], [0.4, 0.7, 0.4, 0.1]]  # b is ahead of a; c is open
    table = agreement({"all": {"one": scored(first), "two": scored(second)}})
    assert table.loc[0, ["settled", "same", "opposite"]].tolist() == [2, 1, 1]
    assert "| one, two | 1 of 2 (50%), 1 | 3 |" in pairs_markdown(table)
    table = agreement({"all": {"one": scored(first[1:]), "two": scored(second[1:])}})
    assert table.loc[0, ["settled", "same", "opposite"]].tolist() == [0, 0, 0]
    assert "| one, two | - | 2 |" in pairs_markdown(table)
    table = agreement({"all": {"one": scored(first), "two": scored([values[:2] for values in second])}})
    assert "| one, two | 0 of 2 (0%), - | 3 |" in pairs_markdown(table), "two seeds tell nothing apart"


def test_who_changes_places(boards: dict[str, Standings]) -> None:
    overall = means(scores_by_corruption(comparable(boards))["all"])
    moved = places(overall)
    assert moved["small"].to_dict() == {"f": 1, "e": 2, "d": 3, "c": 4, "b": 5, "a": 6}
    assert moved["large"].to_dict() == {"f": 1, "e": 2, "d": 3, "c": 4, "a": 5, "b": 6}
    assert moved["moved"].to_dict() == {"f": 0, "e": 0, "d": 0, "c": 0, "b": 1, "a": 1}
    assert "| a | 6 (5.0) | 5 (12.5) | 1 |" in places_markdown(moved, overall)


def test_one_board_agrees_with_nothing(boards: dict[str, Standings]) -> None:
    with pytest.raises(UsageError, match="name two suites or more"):
        comparable({"small": boards["small"]})


def test_boards_without_a_common_method_are_refused() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    stored = Stored(engine)
    stored.problems()
    for suite, names in (("small", "abc"), ("large", "xyz")):
        stored.run(suite, suite)
        for name in names:
            stored.submission(f"{suite} {name}", name, "default", "ranked")
            for cell in CELLS:
                stored.trial(suite, f"{suite} {name}", cell, "finished", healed=0.5, utility=0.5)
    boards = {name: read_standings(engine, name) for name in ("small", "large")}
    with pytest.raises(UsageError, match="the boards small, large have no method in common"):
        scores_by_corruption(comparable(boards))


def test_two_boards_compare_all_methods_that_both_have_and_places_are_among_those_on_every_board(
    tmp_path: Path,
) -> None:
    database = tmp_path / "results.db"
    with Store(str(database)) as store:
        stored = Stored(store.engine)
        fill(stored)
        stored.run("few", "few")
        for name in "abcde":
            stored.submission(f"few {name}", name, "default", "ranked")
            for cell in CELLS:
                stored.trial("few", f"few {name}", cell, "finished", healed=SMALL[name], utility=0.5)
    text = write_agreement(str(database), tmp_path / "agreement", ["small", "large", "few"])[0].read_text()
    correlations, placed = text.split("## Places")
    found = re.findall(r"^\| (\w+, \w+) \|.* (\d+) \|$", correlations, re.MULTILINE)
    assert found == 2 * [("small, large", "6"), ("small, few", "5"), ("large, few", "5")]  # both tables
    assert re.findall(r"^\| (\w) \|", placed, re.MULTILINE) == list("edcba")


def test_what_it_needs_is_one_sentence(tmp_path: Path) -> None:
    for words in ([], ["x.db"], ["x.db", ".", "small", "large"], ["x.db", "out/v1.2", "small", "large"]):
        ended = subprocess.run(
            [sys.executable, "-m", "unlearnbench.report.agreement", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert not list(tmp_path.iterdir())


def test_files_come_from_a_store(tmp_path: Path) -> None:
    database = tmp_path / "results.db"
    with Store(str(database)) as store:
        fill(Stored(store.engine))
    files = write_agreement(str(database), tmp_path / "out" / "agreement", ["small", "large"])
    assert [file.suffix for file in files] == [".md", ".svg", ".png"]
    text = files[0].read_text()
    assert "Whole seeds: small 2, large 2." in text
    assert "resamples of the methods" in text
    assert files[1].read_text().count("<svg") == 1
