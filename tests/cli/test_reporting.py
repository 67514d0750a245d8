"""What is shown of a store: of the part that is asked for, and what is left out."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import PART, Call, one_sentence
from unlearnbench.boundary.isolation import LEVELS
from unlearnbench.cli.common import Level


def of_csv(call: Call, *options: str) -> pd.DataFrame:
    result = call("table", "tiny", "--format", "csv", *options)
    assert result.code == 0, result.err
    return pd.read_csv(io.StringIO(result.out))


def test_what_is_shown_is_of_the_part_that_is_asked_for(measured: Call, tmp_path: Path) -> None:
    assert of_csv(measured)[["seeds", "missing"]].to_numpy().tolist() == [[0, 3]] * 2
    assert of_csv(measured, *PART)[["seeds", "missing"]].to_numpy().tolist() == [[1, 0]] * 2
    assert of_csv(measured, "--by", "corruption")["corruption"].tolist() == ["poison-trigger"] * 2 + ["random-swap"] * 2
    shown = " ".join(measured("show", "mine", "--suite", "tiny").out.split())
    assert "not run" in shown
    assert "High" in shown
    shown = " ".join(measured("show", "mine", "--suite", "tiny", *PART).out.split())
    assert "not run" not in shown
    assert "High" not in shown
    assert "One seed: a demonstration, not a ranking." in shown
    for name, options in {"all": (), "part": PART}.items():
        drawn = measured("plot", "maps", "tiny", "--out", f"{name}.svg", *options)
        assert drawn.code == 0, drawn.err
    assert len(Path("part.svg").read_text()) < len(Path("all.svg").read_text())
    written = measured("leaderboard", "tiny", "--out", "drawn", *PART)
    assert written.code == 0, written.err
    assert len(Path("drawn/trials.csv").read_text().splitlines()) == 1 + 2
    written = measured("site", "tiny", "--out", "pages", "--repository", "https://example.org/code")
    assert written.code == 0, written.err
    assert "open pages/index.html" in written.out
    assert 'href="tiny/index.html"' in Path("pages/index.html").read_text()
    assert 'href="https://example.org/code"' in Path("pages/tiny/index.html").read_text()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--seed", "7"), ("unknown seed 7 in suite", "(all: 0, 1)")),
        (("--rate", "0.3"), ("unknown discovery rate 0.3 in suite", "(all: 0.5, 1.0)")),
        (("--corruption", "class-swap"), ("unknown corruption 'class-swap' in suite", "(all: random-swap")),
    ],
)
def test_a_part_that_is_not_in_the_grid_is_one_sentence(
    option: tuple[str, str], words: tuple[str, ...], measured: Call
) -> None:
    for verb in (
        ("run", "tiny"),
        ("leaderboard", "tiny", "--out", "x"),
        ("table", "tiny"),
        ("show", "mine", "--suite", "tiny"),
        ("plot", "maps", "tiny", "--out", "x.svg"),
    ):
        one_sentence(measured(*verb, *option), 2, "suite 'tiny'", *words)
    assert not list(Path().glob("x*"))


@pytest.mark.usefixtures("undrawn")
def test_what_is_not_on_the_board_is_said_beside_it_with_the_command_that_renews_it(measured: Call) -> None:
    file = Path("suites/tiny.toml")
    file.write_text(file.read_text().replace('"learning_rate" = 0.01', '"learning_rate" = 0.02'))
    stale = measured("table", "tiny")
    one_sentence(stale, 2, "no record of suite 'tiny' is current", "mine: budget.learning_rate 0.01 instead of 0.02")
    assert measured("run", "tiny", "--method", "mine", *PART).code == 0
    said = "not on the board: 1 record of {}, budget.learning_rate 0.01 instead of 0.02: unlearnbench run tiny"
    for verb in (("table", "tiny"), ("leaderboard", "tiny", "--out", "drawn")):
        result = measured(*verb, *PART)
        assert result.code == 0
        assert result.err.splitlines() == [f"{said.format(name)} --method {name}" for name in ("mine", "yours")]
        assert "yours" not in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("leaderboard", "digits", "--out", "x"),
        ("site", "digits", "digits-vit", "--out", "x"),
        ("show", "mine"),
        ("table", "digits"),
        ("compare", "mine", "yours"),
        ("plot", "maps", "digits", "--out", "x.svg"),
    ],
)
def test_missing_store(arguments: tuple[str, ...], call: Call) -> None:
    one_sentence(call(*arguments), 2, "no results database at data/unlearnbench.db")
    assert not Path("data").exists()


def test_unknown_form(call: Call) -> None:
    result = call("table", "digits", "--format", "word")
    assert result.code == 2
    assert "latex" in result.err


@pytest.mark.usefixtures("undrawn")
def test_a_board_of_strict_trials_counts_no_others(measured: Call) -> None:
    for level, state in {"process": "finished", "strict": "missing"}.items():
        assert measured("leaderboard", "tiny", "--out", level, "--isolation", level, *PART).code == 0
        assert set(pd.read_csv(Path(level, "trials.csv"))["state"]) == {state}
    assert [level.value for level in Level] == list(LEVELS)
