import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.collections import QuadMesh

from unlearnbench.report.figures import FONT_SIZE, cell_colours, detail, healing_scatter, map_figure, maps, save
from unlearnbench.report.frames import trials


@pytest.fixture
def frame(small):
    return trials(small.engine, "small")


def panels(figure):
    """The axes with a heatmap."""
    return [axis for axis in figure.axes if axis.get_title()]


def mesh(axis) -> QuadMesh:
    return next(item for item in axis.collections if isinstance(item, QuadMesh))


def numbers(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


def legend(figure) -> list[str]:
    return [text.get_text() for box in figure.legends for text in box.get_texts()]


def test_maps_share_one_scale_and_keep_the_order(frame):
    figure = maps(frame, ["retrain", "good", "oracle"])
    assert [axis.get_title() for axis in panels(figure)] == ["retrain", "good", "oracle (reference)"]
    assert {mesh(axis).get_clim() for axis in panels(figure)} == {(0.0, 100.0)}
    assert len(figure.axes) == 3 + 1  # one colour bar


def test_high_is_on_top_and_rates_run_to_the_right(frame):
    axis = panels(map_figure(frame, "good"))[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["High", "Med.", "Low"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the first row is the top one
    assert [label.get_text() for label in axis.get_xticklabels()] == ["10", "100"]
    assert numbers(axis) == ["64", "64", "48", "48", "32", "32"]


def test_marks_are_explained_where_they_occur(frame):
    assert legend(map_figure(frame, "good")) == []
    assert [text.split(" (")[0] for text in legend(map_figure(frame, "flaky"))] == [
        "all failed",
        "some failed",
        "not run",
        "some not run",
    ]
    # A failed cell shows a cross instead of its 0, a missing one no number.
    assert numbers(panels(map_figure(frame, "flaky"))[0]) == ["30", "30", "30", "15"]


def test_detail_has_four_metrics_beside_the_original(frame):
    axes = panels(detail(frame, "good"))
    assert len(axes) == 4
    assert {mesh(axis).get_clim() for axis in axes} == {(0.0, 100.0)}
    healed = axes[0]
    assert [label.get_text() for label in axes[2].get_xticklabels()] == ["0", "10", "100"]
    assert numbers(healed)[:3] == ["15.0", "80.0", "80.0"]
    assert numbers(axes[2])[:3] == ["90.0", "80.0", "80.0"]
    assert numbers(axes[3])[:3] == ["13.5", "64.0", "64.0"]


def test_scatter_shows_finished_trials_with_utility_and_counts_the_rest(frame):
    figure = healing_scatter(frame)
    assert sum(len(points.get_offsets()) for points in figure.axes[0].collections) == 36
    assert figure.legends[0].get_title().get_text().startswith("6 of 42 trials left out")
    assert [text.split(":")[0] for text in legend(figure)] == ["All", "High", "Med.", "Low"]
    strict = healing_scatter(frame, "absolute", 0.85)
    assert sum(len(points.get_offsets()) for points in strict.axes[0].collections) == 24


def test_darker_is_better_and_text_can_be_read():
    def lightness(colour: str) -> float:
        red, green, blue = matplotlib.colors.to_rgb(colour)
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = [lightness(cell_colours(percent)[0]) for percent in range(0, 101, 5)]
    assert shades == sorted(shades, reverse=True)
    assert cell_colours(0)[1] == "#000000"
    assert cell_colours(100)[1] == "#ffffff"


def test_nothing_stays_open_and_settings_stay_as_they_were(frame, tmp_path):
    before = dict(matplotlib.rcParams)
    figure = maps(frame, ["good", "flaky"])
    save(figure, tmp_path / "maps")
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == before
    assert {text.get_fontsize() for axis in figure.axes for text in [axis.title, *axis.texts]} == {FONT_SIZE}


def test_names_with_a_dot_are_kept(frame, tmp_path):
    assert save(map_figure(frame, "good"), tmp_path / "map-v1.5") == [
        tmp_path / "map-v1.5.png",
        tmp_path / "map-v1.5.svg",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map-v1.5.png", "map-v1.5.svg"]


def test_same_frame_gives_the_same_bytes_in_another_process(frame, tmp_path: Path):
    frame.to_pickle(tmp_path / "frame.pickle")
    program = (
        "import sys, pandas, pathlib; from unlearnbench.report.figures import detail, maps, save\n"
        "folder = pathlib.Path(sys.argv[1]); frame = pandas.read_pickle(folder / 'frame.pickle')\n"
        "save(maps(frame, ['good', 'flaky']), folder / 'maps-again'); save(detail(frame, 'flaky'), folder / 'again')"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    save(maps(frame, ["good", "flaky"]), tmp_path / "maps")
    save(detail(frame, "flaky"), tmp_path / "detail")
    for kind in ("png", "svg"):
        assert (tmp_path / f"maps.{kind}").read_bytes() == (tmp_path / f"maps-again.{kind}").read_bytes()
        assert (tmp_path / f"detail.{kind}").read_bytes() == (tmp_path / f"again.{kind}").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "maps.svg").read_bytes()
