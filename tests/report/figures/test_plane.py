"""The plane and who does best in it, measured in what is drawn; and the samples of a suite."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Rectangle

from tests.report.figures.looks import mesh, panels
from tests.tiny import tiny_toml
from unlearnbench import library
from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import load_for
from unlearnbench.problems.suite_file import parse
from unlearnbench.report.figures.plane import _edges, plane, who_wins
from unlearnbench.report.figures.regularity import regularity_curve
from unlearnbench.report.figures.samples import COUNT, samples
from unlearnbench.report.numbers.frames import map_of
from unlearnbench.report.numbers.winners import winners


def test_cells_of_the_plane_are_those_of_the_map_where_they_were_measured(measured):
    frame = measured.board().frame
    axis = panels(plane(frame, ["good", "flaky"]))[0]
    assert axis.get_title() == "good"
    drawn = mesh(axis)
    upwards = map_of(frame, "aggregate", "good").iloc[::-1]  # the least regular at the bottom
    assert np.ma.filled(np.ma.asarray(drawn.get_array()), np.nan) == pytest.approx(upwards.to_numpy(), nan_ok=True)
    corners = drawn.get_coordinates()
    assert corners[0, :, 0].tolist() == [0, 55, 100], "halfway between 10 and 100"
    assert corners[:, 0, 1].tolist() == [0, 0.125, 0.5, 1], "halfway between 0, .25 and .75"
    (dots,) = axis.lines
    assert set(zip(*map(np.asarray, dots.get_data()), strict=True)) == {
        (x, y) for x in (10, 100) for y in (0, 0.25, 0.75)
    }


def test_corruptions_of_one_regularity_are_all_seen():
    edges = _edges(np.array([0.0, 0.0, 0.0, 0.5, 1.0, 1.0]), 1.0)
    assert (np.diff(edges) >= 0.025 - 1e-12).all()
    assert edges[[0, -1]].tolist() == [0, 1]


def test_each_cell_has_the_colour_of_its_best_method(measured):
    frame = measured.board().frame
    figure = who_wins(frame, ["good", "flaky"])
    best = winners(frame, ["good", "flaky"])
    cells = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    filled, hatched = ([patch for patch in cells if bool(patch.get_hatch()) == hatch] for hatch in (False, True))
    assert len(filled) == len(best) == 6
    assert len(hatched) == (~best["alone"]).sum() == 6, "two seeds decide nothing"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    counts = best["method"].value_counts()
    assert texts == [*(f"{name} ({counts[name]} of 6)" for name in counts.index), "not certain"]
    colours = {
        name: patch.get_facecolor() for name, patch in zip(counts.index, figure.legends[0].get_patches(), strict=False)
    }
    for patch, method in zip(filled, best["method"], strict=True):
        assert patch.get_facecolor() == colours[method]


def test_the_curve_has_a_line_per_corruption(measured):
    figure = regularity_curve(measured.board().frame)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["poison-trigger", "class-swap", "random-swap"]
    lines = [bars.lines[0] for bars in figure.axes[0].containers if isinstance(bars, ErrorbarContainer)]
    assert [np.asarray(line.get_ydata()).tolist() for line in lines] == [[0.75, 0], [0.25, 0], [0, 0]]
    assert np.array([line.get_xdata() for line in lines]).mean(axis=0) == pytest.approx([9, 0])


def test_samples_show_true_and_given_class(tmp_path):
    (tmp_path / "tiny.toml").write_text(tiny_toml(corruptions=["class-swap", "poison-trigger"], seeds=[3, 4]))
    suite = parse(tmp_path / "tiny.toml")
    figure = samples(suite, load_for(suite, tmp_path))
    shown = [axis for axis in figure.axes if axis.images]
    titles = [axis.get_title() for axis in shown]
    assert len(titles) == 2 * COUNT
    assert set(titles[:COUNT]) == {"3 as 5", "5 as 3"}
    assert all(title.endswith(" as 0") for title in titles[COUNT:])
    assert all((axis.images[0].get_array()[-3:, -3:] == 255).all() for axis in shown[COUNT:]), "with the trigger"
    assert "suite tiny, seed 3" in figure.get_suptitle()


def test_samples_need_no_results(tmp_path):
    (tmp_path / "tiny.toml").write_text(tiny_toml())
    library.plot("samples", "tiny", tmp_path / "samples.svg", suites=tmp_path, data=tmp_path)
    assert (tmp_path / "samples.svg").stat().st_size > 1000
    with pytest.raises(UsageError, match="shows no methods: remove --method"):
        library.plot("samples", "tiny", Path("x.svg"), ["rem"], suites=tmp_path, data=tmp_path)
