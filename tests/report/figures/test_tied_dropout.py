import numpy as np
import pytest
from matplotlib.colors import to_hex

from tests.report.figures.looks import cells, grid, hatched, legend, mesh, numbers, panels, spoiled
from unlearnbench.errors import UsageError
from unlearnbench.report.figures import choose_pairs, ranked_pairs, tied_dropout
from unlearnbench.report.figures.tied_dropout import MINUS, differences, rounded_with_sign
from unlearnbench.report.numbers.frames import map_of

KINDS = [(0.5, "standard"), (0.5, "tied-dropout")]


def test_difference_is_with_minus_without(both):
    figure = tied_dropout(both, choose_pairs(both, ["good"]))
    standard, tied, difference = panels(figure)
    assert [axis.get_title() for axis in panels(figure)] == [
        "good: standard",
        "good: tied dropout",
        f"tied dropout {MINUS} standard",
    ]
    assert cells(standard) == pytest.approx(map_of(both, "aggregate", "good").to_numpy())
    assert cells(tied) == pytest.approx(map_of(both, "aggregate", "good on tied dropout").to_numpy())
    # healed 0.8, 0.6, 0.4 and with tied dropout 0.7, 0.6, 0.5, times utility 0.8; one of two failed at medium, 100%
    expected = [[-8, -8], [0, 0.5 * 56 - 48], [8, 8]]
    assert cells(difference) == pytest.approx(np.array(expected))
    assert numbers(difference) == [f"{MINUS}8", f"{MINUS}8", "0", f"{MINUS}20", "+8", "+8"]


def test_failures_on_one_side_mark_the_difference(both):
    figure = tied_dropout(both, choose_pairs(both))
    standard, tied, difference = (len(axis.lines) for axis in panels(figure))
    assert (standard, tied, difference) == (0, 1, 1)
    assert [text.split(" (")[0] for text in legend(figure)] == ["some failed"]


def test_missing_cells_have_no_difference():
    frame = spoiled(grid(kinds=KINDS), "good on tied dropout")
    *_, difference = panels(tied_dropout(frame, choose_pairs(frame)))
    assert hatched(difference) == {(2, 0), (2, 1), (2, 2)}
    values = cells(difference)
    assert np.isnan(values[:, 2]).all()
    assert len(numbers(difference)) == 3 * 9
    # All failed with tied dropout: what is lost is shown, and marked.
    assert values[0, 6] == pytest.approx(-map_of(frame, "aggregate", "good").iloc[0, 6])


def test_zero_is_in_the_middle_of_the_differences_alone():
    frame = grid(kinds=KINDS)
    figure = tied_dropout(frame, choose_pairs(frame))
    standard, tied, difference = panels(figure)
    assert mesh(standard).get_clim() == mesh(tied).get_clim() == (0.0, 100.0)
    low, high = mesh(difference).get_clim()
    assert low == -high
    assert high % 10 == 0
    largest = np.abs(cells(difference)).max()
    assert high - 10 < largest <= high
    assert len(figure.axes) == 3 + 2  # two colour bars


def test_differences_can_be_told_apart_by_side_and_by_sign():
    scale = differences(map_of(grid(), "aggregate", "good"))
    below, zero, above = (to_hex(scale.colours(scale.norm(value))) for value in (-80, 0, 80))
    assert len({below, zero, above}) == 3
    assert min(zero[1:3], zero[3:5], zero[5:7]) > "e0"  # nearly white
    assert [rounded_with_sign(value) for value in (12.4, -12.6, 0.0, 0.4, -0.4)] == ["+12", f"{MINUS}13", "0", "0", "0"]


def test_rows_are_methods_and_capacities():
    kinds = [(capacity, training) for capacity in (0.5, 1.0) for training in ("standard", "tied-dropout")]
    frame = grid(["a", "b"], kinds=kinds)
    figure = tied_dropout(frame, choose_pairs(frame, ["b", "a"]))
    assert [axis.get_title() for axis in panels(figure)][::3] == [
        f"{name}, {share}% capacity: standard" for name in "ba" for share in (50, 100)
    ]
    last = frame[frame["method"] == "a on 100%, tied dropout"]["aggregate"].mean()
    assert cells(panels(figure)[-2]).mean() == pytest.approx(100 * last)


def test_all_ranked_methods_are_shown_best_first():
    frame = grid(["a", "b", "c"], kinds=KINDS, references=["c"])
    frame["aggregate"] = frame["method"].map(lambda name: {"a": 0.2, "b": 0.6}.get(name[0], 0.9))
    assert [pair.name for pair in ranked_pairs(frame)] == ["b", "a"]
    assert [pair.name for pair in choose_pairs(frame, ["c"])] == ["c"]


def test_what_cannot_be_compared_is_one_sentence(both, frame):
    with pytest.raises(UsageError, match=r"unknown method 'great' in the results \(all: flaky, good, oracle"):
        choose_pairs(both, ["great"])
    with pytest.raises(UsageError, match=r"'flaky' was not run on both standard .*; methods with both: good$"):
        choose_pairs(both, ["flaky"])
    assert ranked_pairs(grid()) == []
    for names in ([], ["good"]):
        with pytest.raises(UsageError, match=r"not? .*run on both standard originals .* in originals\.trainings"):
            choose_pairs(grid(), names)
