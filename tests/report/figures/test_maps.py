import numpy as np
import pytest

from tests.report.figures.looks import ALL, cells, grid, hatched, labels, legend, mesh, numbers, panels, spoiled, top
from unlearnbench.errors import UsageError
from unlearnbench.report.figures import choose_pairs, detail, map_figure, maps, tied_dropout
from unlearnbench.report.numbers.frames import map_of


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def test_maps_share_one_scale_and_keep_the_order(frame):
    figure = maps(frame, ["retrain", "good", "oracle"])
    prior = "(a) Regions studied by prior work"
    assert titles(figure) == [prior, "(b) retrain", "(c) good", "(d) oracle (reference)"]
    assert {mesh(axis).get_clim() for axis in panels(figure)} == {(0.0, 100.0)}
    assert len(figure.axes) == 3 + 3  # the regions, their key, and one colour bar


def test_letters_go_on_after_z():
    methods = [f"m{index}" for index in range(27)]
    figure = maps(grid(methods, rates=(0.1,), seeds=(0,), corruptions=("random-swap",)), methods)
    assert [title.split()[0] for title in titles(figure)][-3:] == ["(z)", "(aa)", "(ab)"]


def test_high_is_on_top_and_rates_run_to_the_right(frame):
    axis = panels(map_figure(frame, "good"))[0]
    assert axis.get_title() == "good"
    assert labels(axis, "y") == ["High", "Med.", "Low"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the first row is the top one
    assert labels(axis, "x") == ["10", "100"]
    assert numbers(axis) == ["64", "64", "48", "48", "32", "32"]


def test_cells_are_those_of_the_frame():
    frame = grid(["a", "b"])
    for axis, method in zip(panels(maps(frame, ["a", "b"])), ("a", "b"), strict=True):
        expected = map_of(frame, "aggregate", method).to_numpy()
        assert numbers(axis) == [f"{value:.0f}" for value in expected.flat]
        assert cells(axis) == pytest.approx(expected)


def test_marks_are_explained_where_they_occur(frame):
    assert legend(map_figure(frame, "good")) == []
    for figure in (map_figure(frame, "flaky"), maps(frame, ["good", "flaky"])):
        assert [text.split(" (")[0] for text in legend(figure)] == [
            "all failed",
            "some failed",
            "not run",
            "some not run",
        ]
    # A failed cell shows a cross instead of its 0, a missing one no number.
    axis = panels(map_figure(frame, "flaky"))[0]
    assert numbers(axis) == ["30", "30", "30", "15"]
    assert len([line for line in axis.lines if line.get_markersize() == 7]) == 1  # low at 100%
    assert hatched(axis) == {(0, 0)}  # high at 10%


def test_detail_has_five_metrics_beside_the_original(frame):
    figure = detail(frame, "good")
    axes = panels(figure)
    assert [axis.get_title().removeprefix("good: ") for axis in axes] == [
        "Healed (train)",
        "Healed (undiscovered)",
        "Healed (test)",
        "Utility (test)",
        "Utility \N{MULTIPLICATION SIGN} healed",
    ]
    assert {mesh(axis).get_clim() for axis in axes} == {(0.0, 100.0)}
    assert labels(axes[4], "x") == ["0", "10", "100"]
    assert numbers(axes[0])[:3] == ["15.0", "80.0", "80.0"]
    assert numbers(axes[3])[:3] == ["90.0", "80.0", "80.0"]
    assert numbers(axes[4])[:3] == ["13.5", "64.0", "64.0"]
    for axis in axes:
        assert any(np.array_equal(line.get_xdata(), [1, 1]) for line in axis.lines)  # sets the original off


def test_where_all_is_discovered_nothing_is_undiscovered_and_that_is_not_a_missing_trial(frame):
    figure = detail(frame, "good")
    undiscovered = panels(figure)[1]
    # Of an original nothing is discovered: it is as healed there as anywhere.
    assert numbers(undiscovered) == ["15.0", "40.0", "15.0", "30.0", "15.0", "20.0"]
    assert np.isnan(cells(undiscovered)[:, 2]).all()
    assert hatched(undiscovered) == set()
    assert legend(figure) == []
    spoilt = panels(detail(spoiled(grid()), "good"))[1]
    assert hatched(spoilt) == {(3, 0), (3, 1), (3, 2)}  # what was not run stays hatched


def test_a_figure_of_fewer_than_three_seeds_says_that_it_is_a_demonstration(both):
    few, many = grid(["a", "b"], seeds=(0, 1)), grid(["a", "b"])
    for draw in (lambda frame: maps(frame, ["a", "b"]), lambda frame: map_figure(frame, "a"), lambda f: detail(f, "a")):
        assert top(draw(few)) == "Two seeds: a demonstration, not a ranking."
        assert top(draw(few[few["seed"] == "0"])) == "One seed: a demonstration, not a ranking."
        assert top(draw(many)) == ""
    assert top(tied_dropout(both, choose_pairs(both))) == "Two seeds: a demonstration, not a ranking."
    # What counts is what is shown.
    assert top(maps(spoiled(many, "a"), ["a"])) == "No whole seed: a demonstration, not a ranking."
    assert top(maps(spoiled(many, "a"), ["a", "b"])) == ""


def test_two_corruptions_of_one_regularity_are_two_rows(fourth):
    frame = grid(corruptions=(*ALL, fourth))
    axis = panels(map_figure(frame, "good"))[0]
    assert labels(axis, "y") == ["High", "Med.", "Low random-swap", "Low random-swap/noise"]
    own = frame[frame["corruption"] == fourth].groupby("discovery_rate")["aggregate"].mean()
    assert cells(axis)[3] == pytest.approx(100 * own.to_numpy())


def test_unknown_method_is_named(frame):
    for draw in (lambda: maps(frame, ["good", "great"]), lambda: detail(frame, "great")):
        with pytest.raises(
            UsageError, match=r"unknown method 'great' in the results \(all: flaky, good, oracle, retrain\)$"
        ):
            draw()
