import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from scipy import stats

from tests.report.figures.looks import ALL, grid, labels, legend, spoiled
from unlearnbench.errors import UsageError
from unlearnbench.report.figures import best_lines, rates

CAPACITIES = [(0.5, "standard"), (1.0, "standard")]


def curves(axis):
    return [item for item in axis.containers if isinstance(item, ErrorbarContainer)]


def bars(container):
    """Both ends of each error bar; nan where there is none."""
    segments = container.lines[2][0].get_segments()
    return np.array([sorted(ends[:, 1]) if len(ends) else [np.nan, np.nan] for ends in segments])


def dots(axis, index=0):
    """The seeds of a line, by rate in percent."""
    (line,) = [
        line
        for line in axis.lines
        if line.get_marker() == "." and line.get_color() == curves(axis)[index].lines[0].get_color()
    ]
    found: dict[float, list[float]] = {}
    for x, y in zip(line.get_xdata().round(), line.get_ydata(), strict=True):
        found.setdefault(x, []).append(y)
    return found


def note(figure):
    return figure.legends[0].get_title().get_text()


def test_a_column_a_corruption_and_a_row_a_capacity():
    figure = rates(grid(["a", "b"], kinds=CAPACITIES), ["b", "a"])
    assert [axis.get_title() for axis in figure.axes] == [
        f"{regularity}, {capacity} capacity" for capacity in ("50%", "100%") for regularity in ("High", "Med.", "Low")
    ]
    assert {axis.get_ylim() for axis in figure.axes} == {(-5.0, 105.0)}
    assert labels(figure.axes[-1], "x") == [str(rate) for rate in range(10, 101, 10)]
    assert legend(figure) == ["b", "a"]
    one = rates(grid(["a", "b"]), ["a"])
    assert [axis.get_title() for axis in one.axes] == ["High", "Med.", "Low"]


def test_lines_are_means_over_seeds_with_their_t_intervals():
    frame = grid(["a", "b"], kinds=CAPACITIES)
    figure = rates(frame, ["a", "b"])
    rows = [(capacity, corruption) for capacity in (0.5, 1.0) for corruption in reversed(ALL)]
    cut = 0
    for axis, (capacity, corruption) in zip(figure.axes, rows, strict=True):
        assert len(curves(axis)) == 2
        for container, method in zip(curves(axis), ("a", "b"), strict=True):
            own = frame[
                frame["method"].isin([method, f"{method} on 100%"])
                & (frame["capacity"] == capacity)
                & (frame["corruption"] == corruption)
            ]
            seeds = 100 * own.pivot(index="discovery_rate", columns="seed", values="aggregate").to_numpy()
            assert container.lines[0].get_xdata() == pytest.approx(np.arange(10, 101, 10))
            assert container.lines[0].get_ydata() == pytest.approx(seeds.mean(axis=1))
            margin = stats.t.ppf(0.975, 2) * stats.sem(seeds, axis=1)
            ends = np.stack([seeds.mean(axis=1) - margin, seeds.mean(axis=1) + margin], axis=1)
            assert bars(container) == pytest.approx(ends.clip(0, 100))
            cut += (ends != ends.clip(0, 100)).sum()
    assert cut > 10, "the intervals of three seeds are wide: some have to be cut off"
    assert note(figure) == "Bars: 95% t intervals over seeds, cut off at 0 and 100; dots: the seeds."


def test_the_seeds_stand_beside_every_interval():
    frame = grid(["a", "b"])
    axis = rates(frame, ["a", "b"]).axes[0]
    for index, method in enumerate(("a", "b")):
        own = frame[(frame["method"] == method) & (frame["corruption"] == "poison-trigger")]
        points = own.assign(rate=(100 * own["discovery_rate"]).round(), points=100 * own["aggregate"])
        expected = points.groupby("rate")["points"].agg(list).to_dict()
        found = dots(axis, index)
        assert found.keys() == expected.keys()
        assert all(sorted(found[rate]) == pytest.approx(sorted(expected[rate])) for rate in expected)


@pytest.mark.parametrize(("seeds", "words"), [((0,), "One seed"), ((0, 1), "Two seeds")])
def test_fewer_than_three_seeds_have_no_bars_and_the_figure_says_so(seeds, words):
    figure = rates(grid(["a"], seeds=seeds), ["a"])
    assert np.isnan(bars(curves(figure.axes[0])[0])).all()
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert note(figure) == f"{words}: a demonstration, not a ranking."


def test_seeds_that_are_all_equal_have_no_bar():
    frame = grid(["a"])
    frame.loc[frame["discovery_rate"] == 0.5, "aggregate"] = 0.25
    figure = rates(frame, ["a"])
    axis = figure.axes[0]
    missing = np.isnan(bars(curves(axis)[0])).any(axis=1)
    assert np.flatnonzero(missing).tolist() == [4]
    assert dots(axis)[50] == pytest.approx([25.0] * 3)
    assert "No bar where there are fewer than three seeds, or all are equal." in note(figure).replace("\n", " ")


def test_two_corruptions_of_one_regularity_are_two_columns(fourth):
    figure = rates(grid(["a"], corruptions=(*ALL, fourth)), ["a"])
    assert [axis.get_title() for axis in figure.axes] == ["High", "Med.", "Low random-swap", "Low random-swap/noise"]


def test_failed_trials_count_as_zero_and_all_that_is_not_whole_is_marked():
    frame = spoiled(grid(["good", "a"], seeds=(0, 1)))
    assert not frame.loc[frame["method"] == "good", "whole"].any(), "of no whole seed all that there is is shown"
    figure = rates(frame, ["good", "a"])
    axis = figure.axes[0]
    line = curves(axis)[0]
    values = dict(zip(line.lines[0].get_xdata().round(), line.lines[0].get_ydata(), strict=True))
    own = frame[(frame["method"] == "good") & (frame["corruption"] == "poison-trigger")].set_index(
        ["discovery_rate", "corruption_seed"]
    )["aggregate"]
    assert np.isnan(values[30.0])  # not run: a gap
    assert values[50.0] == pytest.approx(100 * own[0.5, 1])
    assert values[70.0] == 0.0
    assert values[90.0] == pytest.approx(50 * own[0.9, 1])
    marked = {
        line.get_marker() if line.get_marker() == "x" else "hollow": line.get_xdata().round().tolist()
        for line in axis.lines
        if np.size(line.get_xdata()) and (line.get_marker() == "x" or line.get_markerfacecolor() == "white")
    }
    assert marked == {"x": [70.0, 90.0], "hollow": [50.0]}
    assert legend(figure)[2:] == ["with failed trials (= 0)", "some not run"]
    assert note(figure).startswith("Two seeds: a demonstration, not a ranking.")
    assert "broken or absent where nothing was run" in note(figure).replace("\n", " ")


def test_a_method_that_was_not_run_at_one_capacity_is_said_to_be_absent():
    frame = grid(["a", "b"], kinds=CAPACITIES)
    figure = rates(frame[frame["method"] != "b on 100%"], ["a", "b"])
    assert "absent where nothing was run" in note(figure).replace("\n", " ")
    assert np.isnan(curves(figure.axes[-1])[1].lines[0].get_ydata()).all()
    assert not [axis for axis in figure.axes if axis.texts]
    nothing = rates(frame[~((frame["capacity"] == 1.0) & (frame["corruption"] == "random-swap"))], ["a", "b"])
    assert [[text.get_text() for text in axis.texts] for axis in nothing.axes] == [[], [], [], [], [], ["not run"]]


def test_lines_differ_without_colour():
    methods = list("abcdefgh")
    figure = rates(grid(methods, rates=(0.1, 1.0), seeds=(0,)), methods)
    markers = {container.lines[0].get_marker() for container in curves(figure.axes[0])}
    assert len(markers) == len(methods)


def test_tied_dropout_is_a_line_of_its_own_at_every_capacity():
    frame = grid(["a"], kinds=[*CAPACITIES, (0.5, "tied-dropout"), (1.0, "tied-dropout")])
    figure = rates(frame, ["a", "a on tied dropout"])
    tied = frame[(frame["method"] == "a on 100%, tied dropout") & (frame["corruption"] == "random-swap")]
    drawn = curves(figure.axes[-1])[1].lines[0].get_ydata()
    assert drawn == pytest.approx(100 * tied.groupby("discovery_rate")["aggregate"].mean().to_numpy())


def test_without_a_choice_the_best_and_retraining_are_drawn(frame):
    assert best_lines(frame) == ["good", "flaky", "retrain"]  # `flaky` has no mean: last
    many = grid([*"abcdefgh", "retrain"], rates=(0.1, 1.0), references=["retrain"], kinds=CAPACITIES)
    many["aggregate"] = many["method"].map(lambda name: ord(name[0]) / 1000)
    assert best_lines(many) == ["h", "g", "f", "e", "d", "retrain"]


def test_what_cannot_be_drawn_is_one_sentence():
    frame = grid(list("abcdefghi"), rates=(0.1, 1.0), seeds=(0,))
    with pytest.raises(UsageError, match=r"unknown method 'z' in the results \(all: a, b"):
        rates(frame, ["z"])
    with pytest.raises(UsageError, match="shows 1 to 8 methods, not 9"):
        rates(frame, list("abcdefghi"))
    with pytest.raises(UsageError, match="needs at least two discovery rates"):
        rates(grid(rates=(0.5,)), ["good"])
