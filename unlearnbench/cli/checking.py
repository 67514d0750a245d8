"""The verbs that guard what was measured: write a baseline, and check against it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unlearnbench.cli.common import (
    CHECK,
    DATABASE,
    Bar,
    Data,
    Database,
    StoredSuite,
    Submissions,
    Suites,
    app,
    err,
    out,
)
from unlearnbench.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from unlearnbench.problems.suite import Suite
    from unlearnbench.store.store import Store
    from unlearnbench.submissions.finding import Submission


@app.command(rich_help_panel=CHECK, epilog="Example: `unlearnbench baseline digits --out leaderboard/baseline.csv`")
def baseline(
    suite: StoredSuite,
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="CSV file to write.")],
    database: Database = DATABASE,
) -> None:
    """Write stored results as a baseline.

    The baseline is the CSV file that `unlearnbench check` compares with.
    """
    from unlearnbench.report.numbers.board import read_board
    from unlearnbench.report.numbers.table import recorded, table_of, write
    from unlearnbench.store.store import Store
    from unlearnbench.verify.baseline import not_recorded

    with Store(database, create=False) as store:
        board = read_board(store.engine, suite)
        write([table_of(store.engine, board)], out_file)
    frame = recorded(board.frame)
    if missing := not_recorded(board):
        listed = ", ".join(f"{method} ({count})" for method, count in missing.items())
        message = f"warning: trials that were not run have no numbers in the baseline: {listed}"
        err.print(message, style="yellow", markup=False, highlight=False, soft_wrap=True)
    out.print(f"{len(frame)} trials of {frame['method'].nunique()} methods written to {out_file}", soft_wrap=True)


@app.command(rich_help_panel=CHECK, epilog="Example: `unlearnbench check --against leaderboard/baseline.csv`")
def check(
    against: Annotated[
        Path, typer.Option(metavar="FILE", help="Baseline: trials.csv of a leaderboard, or of `unlearnbench baseline`.")
    ],
    suite: Annotated[
        str | None,
        typer.Argument(metavar="SUITE", help="Name of a suite, or path of a suite file; default: the baseline's."),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this method (repeatable); default: all.")
    ] = None,
    cost_factor: Annotated[
        float, typer.Option(metavar="F", min=1, help="Report a cost that grew by more than this factor.")
    ] = 2.0,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a Markdown summary to FILE.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML to FILE.")] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Run nothing; check what is in the store.")] = False,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Store that keeps the results; default: a temporary one, so everything is run."
        ),
    ] = None,
    data: Data = Path("data"),
    submissions: Submissions = Path("submissions"),
    suites: Suites = Path("suites"),
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Trials at a time; default: cores // threads per trial.")
    ] = None,
    no_download: Annotated[bool, typer.Option("--no-download", help="Never download a data set.")] = False,
) -> None:
    """Check for regressions against a baseline.

    Runs the suite again and compares the results. Exits with 1 if anything got worse.
    """
    from unlearnbench.problems.suite_file import find, parse
    from unlearnbench.report.text import verdict
    from unlearnbench.store.store import Store
    from unlearnbench.submissions.finding import discover
    from unlearnbench.verify.baseline import read, records, select_methods
    from unlearnbench.verify.check import compare

    before, names = read(against), method or []
    measured = str(before["suite"].iloc[0])
    notes: list[str] = []
    if no_run:
        if suite is not None:
            _same_suite(parse(find(suite, suites)).name, measured, against)
        with Store(DATABASE if database is None else database, create=False) as store:
            after = records(store.engine, measured)
        _known(names, before, after)
    else:
        grid = parse(find(measured if suite is None else suite, suites))
        _same_suite(grid.name, measured, against)
        available = discover(submissions)
        if not available:
            raise UsageError(f"no submissions in {submissions}: give --submissions")
        chosen = _to_run(available, before, names, grid.variants)
        part = grid.part(seeds=sorted(set(before["corruption_seed"])))
        after = before.iloc[:0]  # of nothing that is there any more there are no records
        with tempfile.TemporaryDirectory(prefix="unlearnbench-check-") as fresh:
            originals = Path(fresh) / "originals" if database is None else None
            with Store(f"{fresh}/store.db" if database is None else database) as store:
                if chosen:
                    after, notes = _run(
                        grid, part, chosen, store, data, originals, workers=workers, download=not no_download
                    )
    comparison = compare(select_methods(before, names), select_methods(after, names), cost_factor=cost_factor)
    verdict.write(comparison, notes, summary, junit)
    verdict.show(comparison, notes, out)
    if comparison.having("regression"):
        raise typer.Exit(1)


def _same_suite(name: str, measured: str, against: Path) -> None:
    if name != measured:
        raise UsageError(f"{against} is a baseline of suite '{measured}', not of '{name}': give the one of that suite")


def _known(names: list[str], before: pd.DataFrame, after: pd.DataFrame) -> None:
    from unlearnbench.verify.baseline import select_methods

    for name in names:
        if select_methods(before, [name]).empty and select_methods(after, [name]).empty:
            raise UsageError(unknown("method", name, sorted({*before["method"], *after["method"]})))


def _to_run(
    available: Sequence[Submission], before: pd.DataFrame, names: list[str], variants: Sequence[str]
) -> list[Submission]:
    """What is asked for, and of it every variant that the baseline has; what only the baseline knows is gone."""
    from unlearnbench.submissions.finding import choose
    from unlearnbench.verify.baseline import select_methods

    there = {item.name for item in available} | {f"{item.name}/{item.variant}" for item in available}
    wanted = [name for name in names if name in there or select_methods(before, [name]).empty]
    chosen = choose(available, wanted, variants) if wanted or not names else []
    asked = select_methods(before, names)
    measured = set(zip(asked["submission"], asked["variant"], strict=True))
    return [item for item in available if item in chosen or (item.name, item.variant) in measured]


def _run(
    suite: Suite,
    part: Suite,
    chosen: Sequence[Submission],
    store: Store,
    data: Path,
    originals: Path | None,
    *,
    workers: int | None,
    download: bool,
) -> tuple[pd.DataFrame, list[str]]:
    """The records of a run of these submissions, and what a reader must know about them."""
    from unlearnbench.running.run import run_suite
    from unlearnbench.verify.baseline import records

    try:
        with Bar() as bar:
            ran = run_suite(
                suite,
                chosen,
                store,
                data,
                part=part,
                originals=originals,
                workers=workers,
                download=download,
                watch=bar.show,
            )
    except KeyboardInterrupt:
        err.print("Stopped. With --database, every finished trial is stored and the same command continues from there.")
        raise typer.Exit(130) from None
    for message in ran.warnings:
        bar.warn(message)
    stored = ran.planned - ran.ran
    notes = [f"{stored} of {ran.planned} trials were stored already: they say nothing of today's harness"]
    return records(store.engine, suite.name, ran.run_id), notes if stored else []
