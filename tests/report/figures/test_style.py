import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from unlearnbench.errors import UsageError
from unlearnbench.report.figures import (
    best_lines,
    choose_pairs,
    detail,
    map_figure,
    maps,
    rates,
    save,
    tied_dropout,
)
from unlearnbench.report.figures.style import text_width, wrapped
from unlearnbench.report.wording import cell_colours

SUFFIXES = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}


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
    save(map_figure(frame, "flaky"), tmp_path / "map.png")
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


def test_the_suffix_is_the_format_and_all_formats_show_the_same_layout(frame, tmp_path):
    paths = [tmp_path / f"new/map-v1.5{suffix}" for suffix in SUFFIXES]
    assert save(map_figure(frame, "flaky"), *paths) == paths
    for path in paths:
        together = path.read_bytes()
        assert together.startswith(SUFFIXES[path.suffix])
        save(map_figure(frame, "flaky"), path)  # alone, and over the old file
        assert path.read_bytes() == together


@pytest.mark.parametrize("name", ["map.jpg", "map", "map.PNG", ".svg"])
def test_unknown_suffix_is_refused_before_anything_is_written(name, frame, tmp_path):
    with pytest.raises(UsageError, match=r"unsupported figure format; .* \.svg, \.pdf, \.png"):
        save(map_figure(frame, "good"), tmp_path / "maps.svg", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(frame, tmp_path):
    (tmp_path / "map.svg").mkdir()
    with pytest.raises(UsageError, match=r"cannot write .*map\.svg: it is a folder"):
        save(map_figure(frame, "good"), tmp_path / "map.svg")


def test_lines_are_as_long_as_asked():
    text = "Privacy: SCRUB, SalUn and Bad\N{NO-BREAK SPACE}Teacher, which are given all that has to go"
    lines = wrapped(text, 1.5).split("\n")
    assert " ".join(lines) == text
    assert len(lines) > 1
    assert all(text_width(line) <= 1.5 for line in lines)
    assert wrapped("unbreakable", 0.1) == "unbreakable"


def test_same_frame_gives_the_same_bytes_in_another_process(both, tmp_path: Path):
    both.to_pickle(tmp_path / "frame.pickle")
    program = (
        "import sys, pandas, pathlib\n"
        "from unlearnbench.report.figures import *\n"
        "folder = pathlib.Path(sys.argv[1]); frame = pandas.read_pickle(folder / 'frame.pickle')\n"
        "figures = {'maps': maps(frame, ['good', 'flaky']), 'detail': detail(frame, 'flaky'),\n"
        "    'rates': rates(frame, best_lines(frame)), 'tied': tied_dropout(frame, choose_pairs(frame))}\n"
        "for name, figure in figures.items():\n"
        "    save(figure, *(folder / f'{name}-again{suffix}' for suffix in ('.svg', '.pdf', '.png')))\n"
    )
    environment = {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment, cwd=Path.cwd())
    figures = {
        "maps": maps(both, ["good", "flaky"]),
        "detail": detail(both, "flaky"),
        "rates": rates(both, best_lines(both)),
        "tied": tied_dropout(both, choose_pairs(both)),
    }
    for name, figure in figures.items():
        for path in save(figure, *(tmp_path / f"{name}{suffix}" for suffix in SUFFIXES)):
            assert path.read_bytes() == (tmp_path / f"{name}-again{path.suffix}").read_bytes(), path.name
    assert b"<dc:date>" not in (tmp_path / "maps.svg").read_bytes()
