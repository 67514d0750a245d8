"""The calls that look at what is stored: boards, rankings, figures, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unlearnbench.library.shared import DATABASE, Where

if TYPE_CHECKING:
    import pandas as pd

    from unlearnbench.boundary.isolation import Isolation
    from unlearnbench.report.numbers.board import Board
    from unlearnbench.report.numbers.standings import Standings


def board(
    suite: str,
    methods: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    isolation: Isolation = "process",
    database: Where = DATABASE,
    suites: Where = "suites",
) -> Board:
    """The trials of a suite that count, and which stored ones are stale; what figures and pages are made from.

    Args:
        methods: only these, as they are called in the ranking, and retraining; all by default.
        isolation: records of a lower level count as missing.
    """
    from unlearnbench.report.numbers.board import Selection, read_board
    from unlearnbench.store.store import Store

    part = Selection(tuple(seeds), tuple(rates), tuple(corruptions))
    with Store(str(database), create=False) as store:
        return read_board(
            store.engine, suite, suites=Path(suites), part=part, isolation=isolation, methods=tuple(methods)
        )


def standings(
    suite: str,
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    suites: Where = "suites",
) -> Standings:
    """A board without its single trials: what a ranking is made from, also of a store of millions of them."""
    from unlearnbench.report.numbers.board import Selection
    from unlearnbench.report.numbers.standings import read_standings
    from unlearnbench.store.store import Store

    part = Selection(tuple(seeds), tuple(rates), tuple(corruptions))
    with Store(str(database), create=False) as store:
        return read_standings(store.engine, suite, suites=Path(suites), part=part)


def results(
    suite: str,
    methods: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    suites: Where = "suites",
) -> pd.DataFrame:
    """One row per trial on the board of a suite, with the columns of trials.csv (docs/store.md)."""
    from unlearnbench.report.numbers.table import table_of
    from unlearnbench.store.store import Store

    found = board(suite, methods, seeds=seeds, rates=rates, corruptions=corruptions, database=database, suites=suites)
    with Store(str(database), create=False) as store:
        return table_of(store.engine, found)


def ranking(
    suite: str,
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    suites: Where = "suites",
) -> pd.DataFrame:
    """One row per method, best first: means over whole seeds in percent, their intervals, and the ranks it can have."""
    from unlearnbench.report.numbers.ranking import ranking_of

    found = standings(suite, seeds=seeds, rates=rates, corruptions=corruptions, database=database, suites=suites)
    return ranking_of(found.totals, found.suite.variants)


def compare(
    first: str, second: str, suite: str = "digits", *, database: Where = DATABASE, suites: Where = "suites"
) -> pd.DataFrame:
    """First minus second in percentage points, overall, per corruption and per cell, with 95% intervals over seeds."""
    from unlearnbench.report.numbers.comparison import comparison

    return comparison(board(suite, (first, second), database=database, suites=suites).frame, first, second)


def leaderboard(
    suite: str,
    out: Where,
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    isolation: Isolation = "process",
    database: Where = DATABASE,
    suites: Where = "suites",
) -> list[Path]:
    """Write figures, tables, trials.csv and a static site to a folder; returns the files."""
    from unlearnbench.report.leaderboard import write_leaderboard
    from unlearnbench.store.store import Store

    found = board(
        suite, seeds=seeds, rates=rates, corruptions=corruptions, isolation=isolation, database=database, suites=suites
    )
    with Store(str(database), create=False) as store:
        return write_leaderboard(store.engine, found, Path(out), isolation=isolation)


def plot(
    kind: str,
    suite: str,
    out: Where,
    methods: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (),
    rates: Sequence[float] = (),
    corruptions: Sequence[str] = (),
    database: Where = DATABASE,
    suites: Where = "suites",
) -> None:
    """Draw one figure into a .svg, .pdf or .png file.

    Args:
        kind: maps, regions, detail, rates, tied-dropout or healing.
        methods: by default those that this kind of figure shows.
    """
    from unlearnbench.report.figures import plot as draw

    draw(
        board(suite, seeds=seeds, rates=rates, corruptions=corruptions, database=database, suites=suites),
        kind,
        methods,
        Path(out),
    )


def baseline(suite: str, out: Where, *, database: Where = DATABASE) -> Board:
    """Write the trials of a suite to a CSV file that `check` compares with; returns the board that they are from."""
    from unlearnbench.report.numbers.board import read_board
    from unlearnbench.report.numbers.table import table_of, write
    from unlearnbench.store.store import Store

    with Store(str(database), create=False) as store:
        found = read_board(store.engine, suite)
        write([table_of(store.engine, found)], Path(out))
    return found


def dump(
    suite: str, out: Where, *, seeds: Sequence[int] = (), database: Where = DATABASE, suites: Where = "suites"
) -> list[Path]:
    """Write the whole seeds of a board to text files, without what the files in the folder hold; the new files."""
    from unlearnbench.report.numbers.board import counted
    from unlearnbench.store.dump import dump as write
    from unlearnbench.store.store import Store

    keys = set(counted(board(suite, seeds=seeds, database=database, suites=suites).frame)["trial"])
    with Store(str(database), create=False) as store:
        return write(store.engine, suite, Path(out), keys)


def export_originals(
    suite: str,
    out: Where,
    *,
    seeds: Sequence[int] = (),
    database: Where = DATABASE,
    data: Where = "data",
    suites: Where = "suites",
) -> int:
    """Write the original models that the trials on a board start from to a new folder; returns how many."""
    from unlearnbench.running.originals_files import export
    from unlearnbench.store.store import Store

    keys = set(board(suite, seeds=seeds, database=database, suites=suites).frame["original"].dropna())
    with Store(str(database), create=False) as store:
        return export(store.engine, keys, Path(data) / "originals", Path(out))
