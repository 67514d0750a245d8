from dataclasses import replace

import numpy as np
import pytest

from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.numbers.frames import healing_correlation, map_of, original_column, states_of
from unlearnbench.report.site.content import METRICS
from unlearnbench.report.site.gather import content_of, flat
from unlearnbench.report.site.methods import page_of


def site_of(stored, suite="small"):
    board = read_board(stored.engine, suite)
    return content_of(stored.engine, board)


def method(shown, name):
    return next(item for item in shown.methods if item.name == name)


def test_cells_hold_the_numbers_of_the_other_reports(small):
    frame, shown = read_board(small.engine, "small").frame, site_of(small)
    rows = ["poison-trigger", "class-swap", "random-swap"]
    for item in shown.methods:
        for metric in METRICS:
            cells = [[cell.values[metric] for cell in row] for row in item.cells]
            assert np.array(cells) == pytest.approx(map_of(frame, metric, item.name).to_numpy(), nan_ok=True)
            original = [row[metric] for row in item.originals]
            if metric == "attack_success":
                assert np.isnan(original).all()  # not measured
                continue
            # Of an original nothing is discovered.
            source = "healed_train" if metric == "healed_undiscovered" else metric
            assert original == pytest.approx(original_column(frame, source, item.name)[rows])
        states = [[cell.state for cell in row] for row in item.cells]
        assert states == states_of(frame, item.name).to_numpy().tolist()


def test_a_cell_holds_its_seeds_and_no_interval_of_two(small):
    rows = method(site_of(small), "flaky").cells
    partly_failed, failed = rows[2]
    assert [(trial.seed, trial.state, trial.values["aggregate"]) for trial in partly_failed.trials] == [
        ("0/10/20", "failed", 0.0),
        ("1/11/21", "finished", pytest.approx(30.0)),
    ]
    assert partly_failed.trials[0].reason == "timeout"
    assert (partly_failed.product.value, partly_failed.product.seeds) == (pytest.approx(15.0), 2)
    assert np.isnan([partly_failed.product.low, partly_failed.product.high]).all()
    assert (failed.product.value, failed.state) == (0, "failed")
    partly_missing = rows[1][1]
    assert [trial.state for trial in partly_missing.trials] == ["finished", "missing"]
    assert (partly_missing.product.value, partly_missing.product.seeds) == (pytest.approx(30.0), 1)
    assert np.isnan(rows[0][0].product.value)


def test_a_cell_of_many_seeds_has_their_t_interval(ranked):
    cell = method(site_of(ranked.stored), "good").cells[0][0]
    values = 80 * (0.6 + 0.01 * np.arange(8))
    margin = 2.364624 * values.std(ddof=1) / np.sqrt(8)  # the t distribution with 7 degrees of freedom
    assert (cell.product.low, cell.product.high) == pytest.approx((values.mean() - margin, values.mean() + margin))
    assert [trial.values["aggregate"] for trial in cell.trials] == pytest.approx(values)


def test_variants_references_and_other_originals_are_groups_of_their_own(small):
    small.submission("tuned", "good", variant="tuned")
    for regularity in ("low", "medium", "high"):
        for rate in (0.1, 1.0):
            small.trial("first", "tuned", (regularity, rate, 0), healed=0.9)
    small.trial("first", "good", ("low", 0.1, 0), training="tied-dropout")
    groups = site_of(small).groups
    assert [(group.title, [item.name for item in group.methods]) for group in groups] == [
        ("Methods", ["good", "retrain", "flaky"]),
        ("Other variants", ["good/tuned"]),
        ("References", ["oracle"]),
        ("On originals with 50% capacity, tied dropout", ["good on tied dropout"]),
    ]


def test_a_mean_over_fewer_seeds_does_not_lead(stored):
    stored.column(seeds=3)
    stored.scored("good", [0.5, 0.6, 0.7])
    stored.scored("late", [0.9])
    found = site_of(stored)
    assert [method.name for method in found.leaders] == ["good"]
    assert found.uneven.startswith("Rows with other numbers of seeds are means over other seeds")
    assert {winner.method.name for row in found.winners for winner in row} == {"good"}


def test_the_variant_that_the_suite_names_first_is_the_ranked_one(small):
    small.submission("tuned", "good", variant="tuned")
    small.run("second", day=1, variants=("tuned", "default"))
    for regularity in ("low", "medium", "high"):
        for rate in (0.1, 1.0):
            for seed in (0, 1):
                small.trial("second", "tuned", (regularity, rate, seed), healed=0.1)
    groups = {group.title: [item.name for item in group.methods] for group in site_of(small).groups}
    assert "good/tuned" in groups["Methods"]
    assert groups["Other variants"] == ["good"]


def test_failures_are_counted_by_reason_and_say_where(small):
    small.trial("first", "flaky", ("medium", 0.1, 0), state="failed", training="tied-dropout", reason="a\n  b")
    shown = site_of(small)
    (failure,) = method(shown, "flaky").failures
    assert (failure.reason, failure.count, failure.places) == ("timeout", 3, ("random-swap at 10%, 100%",))
    assert method(shown, "flaky on tied dropout").failures[0].reason == "a b"
    # Of the seed that `flaky on tied dropout` began, five trials are missing.
    assert (shown.trials, shown.failed, shown.missing, shown.seeds) == (4 * 12 + 6, 4, 3 + 5, 2)


def test_two_corruptions_of_one_regularity_are_two_rows(small):
    board = read_board(small.engine, "small")
    frame = board.frame.replace({"corruption": {"random-swap": "class-swap/noise"}})
    shown = content_of(small.engine, replace(board, frame=frame))
    assert shown.corruptions == {
        "poison-trigger": "High regularity",
        "class-swap": "Medium regularity (class-swap)",
        "class-swap/noise": "Medium regularity (class-swap/noise)",
    }
    assert list(shown.short.values()) == ["High", "Med. class-swap", "Med. class-swap/noise"]
    assert shown.longest_word == len("class-swap/noise")
    rows = method(shown, "good").cells
    assert [row[0].corruption for row in rows] == list(shown.corruptions)
    assert rows[2][0].values["aggregate"] == pytest.approx(32.0)


def test_what_is_beyond_the_oracle_stale_or_incomplete_is_listed(ranked, small):
    shown = site_of(ranked.stored)
    assert [(row["method"], row["corruption"], row["seed"]) for row in shown.beyond] == [
        ("weak", "poison-trigger", "3/13/23")
    ]
    (stale,) = shown.stale
    assert (stale.method, stale.records, stale.reason) == ("weak", 1, "recipe.steps 20 instead of 10")
    assert shown.incomplete == ()
    shown = site_of(small)
    assert [(row["method"], row["seed"], row["recorded"], row["trials"]) for row in shown.incomplete] == [
        ("flaky", "0/10/20", 5, 6),
        ("flaky", "1/11/21", 4, 6),
    ]
    assert (shown.beyond, shown.stale) == ((), ())


def test_the_correlations_are_those_of_the_other_reports(ranked):
    shown = site_of(ranked.stored)
    expected = healing_correlation(ranked.board.frame).to_dict("records")
    assert [(row["by"], row["name"]) for row in shown.correlations] == [(row["by"], row["name"]) for row in expected]
    assert {row["by"] for row in shown.correlations} == {"overall", "corruption", "method"}


def test_runs_say_what_they_recorded_and_how_their_suite_differs(small):
    small.run("second", day=1, title="Renamed", low_utility="absolute")
    small.trial("second", "good", ("low", 0.1, 0))
    small.submission("new", "new")
    small.trial("second", "new", ("low", 0.1, 0))
    shown = site_of(small)
    assert [(run.row.id, run.recorded) for run in shown.runs] == [("first", 4 * 12 - 3), ("second", 1)]
    assert dict(shown.runs[0].changed) == {"title": '"A small suite"', "low_utility": '"relative"'}
    assert shown.runs[1].changed == ()
    assert dict(shown.specification)["title"] == '"Renamed"'
    assert (shown.title, shown.latest.id) == ("Renamed", "second")


def test_a_nested_specification_is_flat():
    assert list(flat({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": {}, "f": None})) == [
        ("a.b", "1"),
        ("a.c.d", "[1, 2]"),
        ("e", "{}"),
        ("f", "null"),
    ]


def test_pages_are_named_after_methods():
    assert page_of("rem/digits on 100%, tied dropout") == "method-rem-digits-on-100-tied-dropout.html"
