import numpy as np
import pytest

from unlearnbench.report.frames import map_of, original_column, states_of, trials
from unlearnbench.report.ranking import ranking
from unlearnbench.report.site.content import METRICS
from unlearnbench.report.site.gather import content_of, flat, page_of


def site_of(stored, suite="small"):
    frame = trials(stored.engine, suite)
    return content_of(stored.engine, suite, frame, ranking(frame))


def method(shown, name):
    return next(item for item in shown.methods if item.name == name)


def test_cells_hold_the_numbers_of_the_other_reports(small):
    frame, shown = trials(small.engine, "small"), site_of(small)
    for item in shown.methods:
        for metric in METRICS:
            cells = [[cell.values[metric] for cell in row] for row in item.cells]
            assert np.array(cells) == pytest.approx(map_of(frame, metric, item.name).to_numpy(), nan_ok=True)
            original = [row[metric] for row in item.originals]
            assert original == pytest.approx(original_column(frame, metric, item.name)[["high", "medium", "low"]])
        states = [[cell.state for cell in row] for row in item.cells]
        assert states == states_of(frame, item.name).to_numpy().tolist()


def test_a_cell_holds_its_seeds_and_an_interval_over_those_that_count(small):
    rows = method(site_of(small), "flaky").cells
    partly_failed, failed = rows[2]
    assert [(trial.label, trial.state, trial.values["aggregate"]) for trial in partly_failed.trials] == [
        ("seed 0", "failed", 0.0),
        ("seed 1", "finished", pytest.approx(30.0)),
    ]
    assert partly_failed.trials[0].reason == "timeout"
    assert (partly_failed.product.low, partly_failed.product.high) == pytest.approx((0.0, 30.0))
    assert (failed.product.low, failed.product.value, failed.product.high) == (0, 0, 0)
    partly_missing = rows[1][1]
    assert [trial.state for trial in partly_missing.trials] == ["finished", "missing"]
    assert partly_missing.product.value == pytest.approx(30.0)
    assert np.isnan([partly_missing.product.low, partly_missing.product.high]).all(), "one value has no interval"
    assert np.isnan(rows[0][0].product.value)


def test_references_and_other_originals_are_groups_of_their_own(small):
    small.trial("first", "good", ("low", 0.1, 0), training="tied-dropout")
    groups = site_of(small).groups
    assert [[item.name for item in group.methods] for group in groups] == [
        ["good", "flaky", "retrain"],
        ["oracle"],
        ["good on tied dropout"],
    ]
    assert groups[2].title == "On originals with 50% capacity, tied dropout"


def test_a_shared_rank_is_known(small):
    for rate, seed in ((0.1, 0), (0.1, 1)):
        small.submission("twin", "twin")
        small.submission("same", "same")
        small.trial("first", "twin", ("low", rate, seed), healed=0.1)
        small.trial("first", "same", ("low", rate, seed), healed=0.1)
    shown = site_of(small)
    ranks = {item.name: item.row["rank"] for item in shown.methods}
    assert ranks["same"] == ranks["twin"]
    assert {item.name for item in shown.methods if item.tied} >= {"same", "twin"}
    assert not method(shown, "good").tied


def test_failures_are_counted_by_reason_and_say_where(small):
    small.trial("first", "flaky", ("medium", 0.1, 0), state="failed", training="tied-dropout", reason="a\n  b")
    shown = site_of(small)
    (failure,) = method(shown, "flaky").failures
    assert (failure.reason, failure.count, failure.places) == ("timeout", 3, ("low at 10%, 100%",))
    assert method(shown, "flaky on tied dropout").failures[0].reason == "a b"
    assert (shown.trials, shown.failed, shown.missing, shown.seeds) == (49, 4, 3, 2)


def test_two_corruptions_in_a_row_of_the_map_are_told_apart(small):
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE problems SET corruption = 'noise' WHERE key = 'low 0.1 1'")
    labels = {trial.label for trial in method(site_of(small), "good").cells[2][0].trials}
    assert labels == {"random-swap, seed 0", "noise, seed 1"}


def test_runs_say_what_they_recorded_and_how_their_suite_differs(small):
    small.run("second", day=1)
    small.trial("second", "good", ("low", 0.1, 0))
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET suite_specification = '{\"seeds\": [0]}' WHERE id = 'second'")
    small.submission("new", "new")
    small.trial("second", "new", ("low", 0.1, 0))
    shown = site_of(small)
    assert [(run.row.id, run.recorded) for run in shown.runs] == [("first", 34), ("second", 1)]
    assert dict(shown.runs[0].changed) == {
        "title": '"A small suite"',
        "low_utility": '"relative"',
        "seeds": "not set",
    }
    assert shown.runs[1].changed == ()
    assert shown.specification == (("seeds", "[0]"),)


def test_a_nested_specification_is_flat():
    assert list(flat({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": {}, "f": None})) == [
        ("a.b", "1"),
        ("a.c.d", "[1, 2]"),
        ("e", "{}"),
        ("f", "null"),
    ]


def test_pages_are_named_after_methods():
    assert page_of("rem/digits on 100%, tied dropout") == "method-rem-digits-on-100-tied-dropout.html"
