"""Which records are on the board of a suite, which are not, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unlearnbench import Budget, Recipe
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import CorruptionSettings, Limits, Model, Originals, Tuning
from unlearnbench.report.numbers.board import Selection, counted, runs_of
from unlearnbench.report.numbers.current import Stale
from unlearnbench.report.numbers.totals import incomplete, shown

CELLS = [(regularity, rate, seed) for regularity in ("low", "medium", "high") for rate in (0.1, 1.0) for seed in (0, 1)]
RECIPE = Recipe(steps=10, batch_size=10, peak_learning_rate=0.1)
BUDGET = Budget(steps=2, batch_size=10, learning_rate=0.1)
FILE = """
name = "small"
title = "As in the file"
dataset = "digits"
discovery_rates = [0.1, 1.0]
seeds = [{corruption = 0, training = 10, unlearning = 20}, {corruption = 1, training = 11, unlearning = 21}]
recipe = {steps = 10, batch_size = 10, peak_learning_rate = 0.1}
budget = {steps = 2, batch_size = 10, learning_rate = 0.1}
"""


def of(board, method: str):
    return board.frame[board.frame["method"] == method]


def seeds_of(board, method: str = "good") -> list[str]:
    """The whole seeds of a method."""
    return sorted(counted(of(board, method))["seed"].unique())


@pytest.fixture
def two(stored):
    """`good` on two whole seeds of a suite that plans three, and on nothing of the third."""
    stored.column(seeds=3)
    stored.scored("good", [0.5, 0.6])
    return stored


def test_references_do_not_count_as_seeds_of_a_board(stored):
    stored.column(seeds=3)
    stored.scored("oracle", [0.9, 0.9, 0.9], role="reference")
    assert stored.board().seeds == 3, "unless there is nothing else"
    stored.scored("good", [0.5])
    assert stored.board().seeds == 1


def test_every_planned_trial_is_a_row_with_what_the_store_holds(small):
    board = small.board()
    assert board.frame.groupby("method").size().to_dict() == dict.fromkeys(["flaky", "good", "oracle", "retrain"], 12)
    flaky = of(board, "flaky")
    assert flaky["state"].value_counts().to_dict() == {"finished": 6, "failed": 3, "missing": 3}
    missing = flaky[flaky["state"] == "missing"]
    assert missing[["aggregate", "reason"]].isna().all(axis=None)
    assert missing["original_utility"].tolist() == [0.9] * 3
    row = of(board, "good")[lambda frame: frame["trial"] == "good high 1.0 1"].iloc[0]
    assert (row["corruption"], row["discovery_rate"], row["regularity"]) == ("poison-trigger", 1.0, "high")
    assert row[["seed", "corruption_seed", "training_seed", "unlearning_seed"]].tolist() == ["1/11/21", 1, 11, 21]
    assert row[["aggregate", "original_aggregate"]].tolist() == pytest.approx([0.9 * 0.8, 0.2 * 0.9])
    assert (row["forward_samples"], row["hyperparameters"]) == (100, '{"rate": 0.1, "steps": 2}')
    assert board.frame["healed_undiscovered"].dtype == "float64"
    assert (board.suite.title, board.stale, board.seeds) == ("A small suite", (), 2)


def test_running_one_more_seed_leaves_the_others_on_the_board(two):
    two.column("second", seeds=3, day=1)
    two.trial("second", "good", ("high", 1.0, 2), healed=0.7)
    two.run("of another suite", suite="other", day=2)
    two.trial("of another suite", "good", ("high", 1.0, 0), healed=0.1)
    board = two.board()
    assert seeds_of(board) == ["0/10/20", "1/11/21", "2/12/22"]
    assert board.frame["healed_train"].tolist() == [0.5, 0.6, 0.7]
    assert [run.id for run in runs_of(two.engine, board.frame)] == ["first", "second"]
    assert (board.seeds, board.stale) == (3, ())


def test_a_trial_that_two_runs_planned_is_there_once_with_the_run_that_recorded_it(two):
    two.column("second", seeds=3, day=1)
    for seed in range(3):
        two.trial("second", "good", ("high", 1.0, seed), state="missing")
    rows = two.board().frame[["seed", "state", "run"]].to_numpy().tolist()
    assert rows == [
        ["0/10/20", "finished", "first"],
        ["1/11/21", "finished", "first"],
        ["2/12/22", "missing", "second"],
    ]


def test_a_seed_that_is_not_whole_does_not_count_and_is_listed(small):
    small.submission("new", "new")
    for cell in CELLS[:-3]:  # of seed 1 two trials are not planned, of seed 0 one
        small.trial("first", "new", cell, state="failed" if cell == CELLS[0] else "finished")
    small.trial("first", "new", CELLS[-2])
    board = small.board()
    assert len(of(board, "new")) == 12, "what nobody planned is a row as well"
    assert seeds_of(board, "new") == ["0/10/20"], "a failed trial is a record"
    assert seeds_of(board, "flaky") == []
    assert incomplete(board.totals).to_numpy().tolist() == [
        ["flaky", "0/10/20", 5, 6],
        ["flaky", "1/11/21", 4, 6],
        ["new", "1/11/21", 4, 6],
    ]
    visible = shown(board.frame).groupby("method").size()
    assert visible[["flaky", "new"]].tolist() == [12, 6], "only of a method without a whole seed all is shown"


CHANGES = [
    ({"recipe": replace(RECIPE, steps=20)}, "recipe.steps 10 instead of 20"),
    ({"budget": replace(BUDGET, learning_rate=0.2)}, "budget.learning_rate 0.1 instead of 0.2"),
    ({"limits": Limits(seconds=60.0)}, "limits.seconds (default) instead of 60.0"),
    ({"corruption": CorruptionSettings(size=5)}, "corruption.size (default) instead of 5"),
    (
        {"model": Model(width=0.25), "threads": 2},
        "model.width (default) instead of 0.25, threads (default) instead of 2",
    ),
    ({"originals": Originals(shared=0.4)}, "originals.shared (default) instead of 0.4"),
    ({"protocol": 2}, "protocol 1 instead of 2"),
    ({"data": "another fingerprint"}, "other data (data instead of another fing)"),
]


@pytest.mark.parametrize(("changes", "reason"), CHANGES, ids=[reason for _, reason in CHANGES])
def test_records_of_other_conditions_than_the_newest_run_are_stale(small, changes, reason):
    small.run("second", day=1, **changes)
    small.submission("good, again", "good")
    small.trial("second", "good, again", ("low", 0.1, 0), healed=0.9)
    board = small.board()
    assert set(board.frame["method"]) == {"good"}
    assert board.frame["healed_train"].dropna().tolist() == [0.9]
    counts = {"flaky": 9, "good": 12, "oracle": 12, "retrain": 12}
    assert board.stale == tuple(
        Stale(name, count, reason, f"unlearnbench run small --method {name}") for name, count in counts.items()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Another"},
        {"discovery_rates": (0.1, 0.5, 1.0)},
        {"variants": ("tuned",), "methods": ("good",), "tuning": Tuning(tries=3), "low_utility": "absolute"},
        {"originals": Originals(capacities=(0.5, 0.25), trainings=("standard", "tied-dropout"))},
    ],
    ids=str,
)
def test_the_grid_and_names_of_a_suite_make_nothing_stale(small, changes):
    small.run("second", day=1, **changes)
    board = small.board()
    assert (board.stale, board.frame["method"].nunique()) == ((), 4)


def test_a_record_that_a_current_run_planned_as_well_is_not_stale(two):
    two.column("second", seeds=3, day=1)
    two.trial("second", "good", ("high", 1.0, 0), state="missing")
    two.column("third", seeds=3, day=2, protocol=2)
    two.trial("third", "good", ("high", 1.0, 0), state="missing")
    assert [(item.method, item.records) for item in two.board().stale] == [("good", 1)]


def test_the_conditions_are_those_of_the_suites_file_if_there_is_one(small, tmp_path, monkeypatch):
    monkeypatch.setattr("unlearnbench.report.numbers.current.PROTOCOL_VERSION", 1)
    small.run("with other settings", day=1, recipe=replace(RECIPE, steps=20))
    small.submission("good, again", "good")
    small.trial("with other settings", "good, again", ("low", 0.1, 0))
    assert small.board(suites=[tmp_path]).suite.recipe.steps == 20, "no file: as the newest run"
    (tmp_path / "small.toml").write_text(FILE)
    board = small.board(suites=[tmp_path])
    assert board.suite.title == "As in the file"
    assert board.frame["method"].nunique() == 4
    assert board.stale == (Stale("good", 1, "recipe.steps 20 instead of 10", "unlearnbench run small --method good"),)


def test_the_grid_is_that_of_the_suites_file(small, tmp_path, monkeypatch):
    monkeypatch.setattr("unlearnbench.report.numbers.current.PROTOCOL_VERSION", 1)
    (tmp_path / "small.toml").write_text(FILE.replace("[0.1, 1.0]", "[0.1, 0.5]"))
    frame = small.board(suites=[tmp_path]).frame
    assert sorted(frame["discovery_rate"].unique()) == [0.1, 0.5]
    assert not frame["whole"].any()
    assert set(frame.loc[frame["discovery_rate"] == 0.5, "state"]) == {"missing"}


def test_an_earlier_state_of_a_method_is_stale(small):
    small.run("second", day=1)
    for key, variant in (("good, changed", "default"), ("good, tuned", "tuned"), ("good, tuned again", "tuned")):
        small.submission(key, "good", variant)
    small.trial("second", "good, changed", ("low", 0.1, 0), healed=0.9)
    small.trial("first", "good, tuned", ("low", 0.1, 0))
    small.trial("second", "good, tuned again", ("low", 0.1, 0), state="missing")
    board = small.board()
    good = of(board, "good")
    assert set(good["source_hash"]) == {"source of good, changed"}
    assert good["healed_train"].dropna().tolist() == [0.9]
    assert len(of(board, "flaky")) == 12
    why = "an earlier state of its code or hyperparameters"
    assert board.stale == (
        Stale("good", 12, why, "unlearnbench run small --method good"),
        Stale("good/tuned", 1, why, "unlearnbench run small --method good/tuned"),
    )


def test_where_nothing_is_current_one_error_says_why(small, tmp_path):
    (tmp_path / "small.toml").write_text(FILE)
    words = r"^no record of suite 'small' is current: flaky: protocol 1 instead of \d+ \(9 records\); good: .*"
    with pytest.raises(UsageError, match=words + r"run it again: `unlearnbench run small`$"):
        small.board(suites=[tmp_path])


def test_an_unknown_suite_is_refused(small):
    with pytest.raises(UsageError, match=r"unknown suite 'large' in the store \(all: small\)$"):
        small.board("large")


def test_a_missing_original_leaves_its_trials_in(small):
    with small.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM originals WHERE key = 'low 0'")
    assert "flaky low 0.1 0" in small.board().frame["trial"].tolist()


def test_a_method_without_a_forget_set_is_in_all_columns(small):
    cells = [(regularity, 0.0, seed) for regularity in ("low", "medium", "high") for seed in (0, 1)]
    small.problems(cells=cells)
    small.submission("blind", "blind")
    for cell in cells:
        small.trial("first", "blind", cell, healed=0.2 if cell[2] == 0 else 0.4)
    board = small.board()
    blind = of(board, "blind")
    assert blind["whole"].all()
    healed = blind.groupby(["corruption", "seed"])["healed_train"].agg(list).tolist()
    assert healed == [[0.2, 0.2], [0.4, 0.4]] * 3
    assert sorted(board.frame["discovery_rate"].unique()) == [0.1, 1.0]
    one = of(small.board(selection=Selection(discovery_rates=(0.1,))), "blind")
    assert (len(one), one["whole"].all()) == (6, True)


def test_a_part_of_the_grid_is_shown_and_whole_is_meant_of_it(small):
    assert seeds_of(small.board(), "flaky") == []
    swaps = Selection(seeds=(0,), discovery_rates=(1.0,), corruptions=("class-swap", "random-swap"))
    board = small.board(selection=swaps)
    assert set(board.frame["seed"]) == {"0/10/20"}
    assert set(board.frame["discovery_rate"]) == {1.0}
    assert set(board.frame["corruption"]) == {"class-swap", "random-swap"}
    assert seeds_of(board, "flaky") == ["0/10/20"]
    assert len(board.suite.seeds) == 2, "the board is still one of the whole suite"


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(seeds=(0, 7)), r"unknown seed 7 in suite 'small' \(all: 0, 1\)"),
        (Selection(discovery_rates=(0.5,)), r"unknown discovery rate 0.5 in suite 'small'.* \(all: 0.1, 1.0\)"),
        (Selection(corruptions=("noise",)), r"unknown corruption 'noise' in suite 'small'"),
    ],
)
def test_what_is_not_in_the_grid_is_refused(small, selection, words):
    with pytest.raises(UsageError, match=words):
        small.board(selection=selection)


def test_a_part_of_which_nothing_was_planned_is_refused(two):
    with pytest.raises(UsageError, match="suite 'small' has no trials in this part"):
        two.board(selection=Selection(seeds=(2,)))


def test_a_higher_level_of_isolation_can_be_demanded(stored):
    stored.problems()
    stored.run("first")
    stored.run("strict", day=1, isolation="strict")
    stored.run("last", day=2)
    for name in ("mine", "yours", "mine, changed"):
        stored.submission(name, name.partition(",")[0])
    for cell in CELLS:
        stored.trial("first", "mine", cell, healed=0.5)
        stored.trial("last", "mine", cell, healed=0.5)
        stored.trial("first", "yours", cell)
        stored.trial("strict", "mine", cell, "missing" if cell == CELLS[-1] else "finished", 0.7, isolation="strict")
    states = stored.board().frame.groupby("method")["state"].value_counts()
    assert states.to_dict() == {("mine", "finished"): 12, ("yours", "finished"): 12}
    frame = stored.board(isolation="strict").frame
    states = frame.groupby("method")["state"].value_counts()
    assert states.to_dict() == {("mine", "finished"): 11, ("mine", "missing"): 1, ("yours", "missing"): 12}
    assert set(frame.loc[frame["state"] == "finished", "healed_train"]) == {0.7}
    stored.run("of another state", day=3)
    stored.trial("of another state", "mine, changed", CELLS[0], healed=0.9)
    assert set(of(stored.board(), "mine")["source_hash"]) == {"source of mine, changed"}
    assert set(stored.board(isolation="strict").frame["source_hash"]) == {"source of mine", "source of yours"}


def test_of_two_originals_under_one_seed_the_one_with_most_records_counts(small):
    """Under each corruption; of equal ones the newer."""
    small.run("second", day=1)
    for seed in (0, 1):
        small.trial("second", "good", ("low", 0.1, seed), healed=0.9, precision="bfloat16")  # one of two cells
        for rate in (0.1, 1.0):
            state = "missing" if (rate, seed) == (1.0, 0) else "finished"
            small.trial("second", "flaky", ("low", rate, seed), state, healed=0.9, precision="bfloat16")
    small.trial("second", "good", ("high", 0.1, 0), healed=0.9, precision="bfloat16")
    small.trial("second", "good", ("high", 1.0, 0), healed=0.9, precision="bfloat16")
    board = small.board()
    assert of(board, "good").groupby(["corruption", "seed"])["original"].unique().map(list).to_dict() == {
        ("class-swap", "0/10/20"): ["medium 0"],
        ("class-swap", "1/11/21"): ["medium 1"],
        ("poison-trigger", "0/10/20"): ["high 0 bfloat16"],  # as many: the newer
        ("poison-trigger", "1/11/21"): ["high 1"],
        ("random-swap", "0/10/20"): ["low 0"],  # one more
        ("random-swap", "1/11/21"): ["low 1"],
    }
    flaky = of(board, "flaky")[lambda frame: frame["corruption"] == "random-swap"]
    assert flaky.set_index(["seed", "discovery_rate"])["original"].to_dict() == {
        ("0/10/20", 0.1): "low 0",  # two records, failed as they are, against one
        ("0/10/20", 1.0): "low 0",
        ("1/11/21", 0.1): "low 1 bfloat16",
        ("1/11/21", 1.0): "low 1 bfloat16",
    }
    assert len(of(board, "good")) == 12
