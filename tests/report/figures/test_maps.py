import numpy as np
import pytest
from looks import cells, grid, labels, legend, mesh, numbers, panels

from unlearnbench.errors import UsageError
from unlearnbench.report.figures import detail, map_figure, maps
from unlearnbench.report.frames import map_of


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
    figure = maps(grid(methods, rates=(0.1,), seeds=(0,), regularities=("low",)), methods)
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
    assert [patch.get_xy() for patch in axis.patches if patch.get_hatch()] == [(0, 0)]  # high at 10%


def test_detail_has_four_metrics_beside_the_original(frame):
    figure = detail(frame, "good")
    axes = panels(figure)
    assert [axis.get_title().removeprefix("good: ") for axis in axes] == [
        "Healed (train)",
        "Healed (test)",
        "Utility (test)",
        "Utility \N{MULTIPLICATION SIGN} healed",
    ]
    assert {mesh(axis).get_clim() for axis in axes} == {(0.0, 100.0)}
    healed = axes[0]
    assert labels(axes[2], "x") == ["0", "10", "100"]
    assert numbers(healed)[:3] == ["15.0", "80.0", "80.0"]
    assert numbers(axes[2])[:3] == ["90.0", "80.0", "80.0"]
    assert numbers(axes[3])[:3] == ["13.5", "64.0", "64.0"]
    for axis in axes:
        assert any(np.array_equal(line.get_xdata(), [1, 1]) for line in axis.lines)  # sets the original off


def test_unknown_method_is_named(frame):
    for draw in (lambda: maps(frame, ["good", "great"]), lambda: detail(frame, "great")):
        with pytest.raises(UsageError, match=r"no trials of method 'great'; .*: flaky, good, oracle, retrain$"):
            draw()
