"""Functions that read stored results: boards, rankings, figures, files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from unlearnbench.errors import UsageError
from unlearnbench.library.shared import DATABASE, StoredGrid, Where
from unlearnbench.system.shipped import places

if TYPE_CHECKING:
    import pandas as pd

    from unlearnbench.boundary.isolation import Isolation
    from unlearnbench.problems.suite import Suite
    from unlearnbench.report.numbers.board import Board, Selection
    from unlearnbench.report.numbers.standings import Standings
    from unlearnbench.store.store import Store


def board(
    suite: str, methods: Sequence[str] = (), *, isolation: Isolation = "process", **stored: Unpack[StoredGrid]
) -> Board:
    """The trials of a suite that count, and its stale records.

    Args:
        methods: only these, by label or name, and retraining; default: all.
        isolation: records with weaker isolation count as missing.
    """
    from unlearnbench.report.numbers.board import read_board

    with _store(stored) as store:
        return read_board(
            store.engine,
            suite,
            suites=_suites(stored),
            selection=_selection(stored),
            isolation=isolation,
            methods=tuple(methods),
        )


def standings(suite: str, **stored: Unpack[StoredGrid]) -> Standings:
    """The totals of a board without its single trials, for rankings of millions of them."""
    from unlearnbench.report.numbers.standings import read_standings

    with _store(stored) as store:
        return read_standings(store.engine, suite, suites=_suites(stored), selection=_selection(stored))


def results(suite: str, methods: Sequence[str] = (), **stored: Unpack[StoredGrid]) -> pd.DataFrame:
    """A table with one row per trial on the board of a suite and the columns of trials.csv (docs/store.md)."""
    from unlearnbench.report.numbers.table import table_of

    found = board(suite, methods, **stored)
    with _store(stored) as store:
        return table_of(store.engine, found)


def ranking(suite: str, **stored: Unpack[StoredGrid]) -> pd.DataFrame:
    """A table with one row per method, best first: means over complete seeds in percent, intervals, rank ranges."""
    from unlearnbench.report.numbers.ranking import ranking_of

    found = standings(suite, **stored)
    return ranking_of(found.totals, found.suite)


def compare(first: str, second: str, suite: str = "digits", **stored: Unpack[StoredGrid]) -> pd.DataFrame:
    """First minus second in percentage points, overall, by corruption and by cell, with 95% intervals over seeds."""
    from unlearnbench.report.numbers.comparison import comparison

    found = board(suite, (first, second), **stored)
    return comparison(found.frame, found.find(first), found.find(second))


def leaderboard(
    suite: str, out: Where, *, isolation: Isolation = "process", **stored: Unpack[StoredGrid]
) -> tuple[Board, list[Path]]:
    """Write figures, tables, trials.csv and a static site to a folder; returns the board and the files."""
    from unlearnbench.report.leaderboard import write_leaderboard

    found = board(suite, isolation=isolation, **stored)
    with _store(stored) as store:
        return found, write_leaderboard(store.engine, found, Path(out), isolation=isolation)


def plot(
    kind: str,
    suite: str,
    out: Where,
    methods: Sequence[str] = (),
    *,
    data: Where = "data",
    **stored: Unpack[StoredGrid],
) -> None:
    """Draw one figure to a .svg, .pdf or .png file.

    Args:
        kind: maps, regions, detail, rates, tied-dropout, healing, regularity, plane, winners or samples.
        methods: default: depends on the kind; `detail` needs one, `regions`, `regularity` and `samples` take none.
        data: folder of data sets, for `samples`, which shows corrupted images and needs no results.
    """
    from unlearnbench.report.figures import SAMPLES
    from unlearnbench.report.figures import plot as draw

    if kind == SAMPLES:
        _plot_samples(suite, Path(out), methods, Path(data), stored)
        return
    found = board(suite, **stored)
    draw(found, kind, [found.find(name) for name in methods], Path(out))


def _plot_samples(suite: str, out: Path, methods: Sequence[str], data: Path, stored: StoredGrid) -> None:
    from unlearnbench.problems.datasets import load_for
    from unlearnbench.problems.suite_file import find, parse
    from unlearnbench.report.figures import check_suffix, samples, save

    if methods:
        raise UsageError("figure 'samples' shows no methods: remove --method")
    check_suffix(out)
    grid = _selection(stored).of(parse(find(suite, *_suites(stored))))
    save(samples(grid, load_for(grid, data)), out)


def baseline(suite: str, out: Where, **stored: Unpack[StoredGrid]) -> Board:
    """Write the trials of a suite to a CSV file for `check`; returns their board."""
    from unlearnbench.report.numbers.table import table_of, write

    found = board(suite, **stored)
    with _store(stored) as store:
        write([table_of(store.engine, found)], Path(out))
    return found


def dump(suite: str, out: Where, *, seeds_from: Where | None = None, **stored: Unpack[StoredGrid]) -> list[Path]:
    """Write the complete seeds of a board to text files. Skips trials that the folder holds; returns the new files.

    Args:
        seeds_from: file of secret seeds, to open an audited board, whose predictions tell which samples are corrupted.
    """
    from unlearnbench.report.numbers.board import counted
    from unlearnbench.store.dump import dump as write

    found = board(suite, **stored)
    _check_open(found.suite, seeds_from)
    keys = set(counted(found.frame)["trial"])
    with _store(stored) as store:
        return write(store.engine, suite, Path(out), keys)


def export_originals(
    suite: str, out: Where, *, data: Where = "data", seeds_from: Where | None = None, **stored: Unpack[StoredGrid]
) -> int:
    """Write the original models of the trials on a board to a new folder; returns their number.

    Args:
        seeds_from: as in `dump`; an original knows which samples are corrupted.
    """
    from unlearnbench.running.originals_files import export

    found = board(suite, **stored)
    _check_open(found.suite, seeds_from)
    keys = set(found.frame["original"].dropna())
    with _store(stored) as store:
        return export(store.engine, keys, Path(data) / "originals", Path(out))


def _check_open(suite: Suite, seeds_from: Where | None) -> None:
    """Refuse to give away the corrupted samples of an audited board, unless its seeds are published with them.

    Raises:
        UsageError: the board is audited and the file is not given, or not that of its seeds.
    """
    from unlearnbench.problems.secret_seeds import read

    if seeds_from is not None:
        read(Path(seeds_from)).check(suite)
    elif suite.commitment is not None:
        raise UsageError(
            f"suite '{suite.name}' is audited, and these files would tell which samples are corrupted: open the board"
            " with the file of its seeds (--seeds-from), and publish that file with them"
        )


@contextmanager
def _store(stored: StoredGrid) -> Iterator[Store]:
    from unlearnbench.store.store import Store

    with Store(str(stored.get("database", DATABASE)), create=False) as store:
        yield store


def _suites(stored: StoredGrid) -> tuple[Path, ...]:
    return places("suites", stored.get("suites"))


def _selection(stored: StoredGrid) -> Selection:
    from unlearnbench.report.numbers.board import Selection

    return Selection(
        tuple(stored.get("seeds", ())), tuple(stored.get("rates", ())), tuple(stored.get("corruptions", ()))
    )
