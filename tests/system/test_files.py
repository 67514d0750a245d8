"""A file is written whole or not at all, and never over what would be lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from unlearnbench.errors import UsageError
from unlearnbench.report.figures.style import save
from unlearnbench.report.numbers import table
from unlearnbench.report.text import rendering
from unlearnbench.system.files import check_writable, replacing

WRITERS: dict[str, Callable[[Path], object]] = {
    "csv": lambda path: table.write([pd.DataFrame({"method": ["rem"]})], path),
    "text": lambda path: rendering.write("new", path),
    "svg": lambda path: save(Figure(), path),
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return WRITERS[request.param]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("old")

    def begin(end: BaseException) -> None:
        with replacing(file) as part:
            part.write_text("half")
            raise end

    with pytest.raises(UsageError, match=r"cannot write .*table.csv: No space left"):
        begin(OSError(28, "No space left on device"))
    with pytest.raises(KeyboardInterrupt):
        begin(KeyboardInterrupt())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"table.csv": "old"}


def test_what_is_written_whole_replaces_it(write: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "made" / "out.svg"
    write(file)
    first = file.read_bytes()
    write(file)
    assert (file.read_bytes(), [path.name for path in file.parent.iterdir()]) == (first, ["out.svg"])


def test_a_store_is_never_replaced(write: Callable[[Path], object], tmp_path: Path) -> None:
    store = tmp_path / "results.svg"  # a suffix that the writer of figures takes
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE trials (key TEXT)")
    before = store.read_bytes()
    with pytest.raises(UsageError, match="it is a store, and its results would be lost"):
        write(store)
    assert store.read_bytes() == before


def test_a_link_stays_one_and_a_device_is_written_itself(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to("there.txt")
    rendering.write("new", link)
    assert link.is_symlink()
    assert (tmp_path / "there.txt").read_text() == "new"
    device = Path("/dev/null")
    rendering.write("new", device)
    assert device.is_char_device()


def test_it_is_known_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is a folder; give the name of a file in it"):
        check_writable(tmp_path)
    (tmp_path / "baseline.csv").write_text("")
    with pytest.raises(UsageError, match=r"baseline.csv: it is read for this; choose another file"):
        check_writable(tmp_path / "x/../baseline.csv", None, tmp_path / "baseline.csv")
    check_writable(tmp_path / "new.csv", tmp_path / "baseline.csv")
