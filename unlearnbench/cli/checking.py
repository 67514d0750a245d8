"""Commands that write a baseline and check against it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import (
    CHECK,
    Bar,
    Data,
    Database,
    Isolation,
    Level,
    SeedsFrom,
    StoredSuite,
    Submissions,
    Suites,
    app,
    out,
    say,
    stoppable,
    warn,
)
from unlearnbench.library import DATABASE

STOPPED = "Stopped. With --database, every finished trial is stored and the same command continues from there."


@app.command(rich_help_panel=CHECK, epilog="Example: `unlearnbench baseline digits --out baseline.csv`")
def baseline(
    suite: StoredSuite,
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="CSV file to write.")],
    database: Database = DATABASE,
) -> None:
    """Write stored results as a baseline.

    The baseline is the CSV file that `unlearnbench check` compares with.
    """
    from unlearnbench import library
    from unlearnbench.report.numbers.table import recorded
    from unlearnbench.verify.baseline import not_recorded

    board = library.baseline(suite, out_file, database=database)
    frame = recorded(board.frame)
    if missing := not_recorded(board):
        listed = ", ".join(f"{method} ({count})" for method, count in missing.items())
        warn(f"the baseline lacks trials that were not run: {listed}")
    say(f"{len(frame)} trials of {frame['method'].nunique()} methods written to {out_file}")


@app.command(rich_help_panel=CHECK, epilog="Example: `unlearnbench check --against leaderboard/trials.csv`")
def check(
    against: Annotated[
        Path, typer.Option(metavar="FILE", help="Baseline: trials.csv of a leaderboard, or of `unlearnbench baseline`.")
    ],
    suite: Annotated[
        str | None,
        typer.Argument(metavar="SUITE", help="Name of a suite, or path of a suite file; default: the baseline's."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this method (repeatable); default: those of the baseline."),
    ] = None,
    cost_factor: Annotated[
        float, typer.Option(metavar="F", min=1, help="Report a cost that grew by more than this factor.")
    ] = 2.0,
    board: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="trials.csv of a board: say where methods beyond the baseline would stand."),
    ] = None,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a Markdown summary to FILE.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML to FILE.")] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Run nothing; check what is in the store.")] = False,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Store that keeps the results; default: a temporary one, so everything is run. With"
            f" --no-run: the store to check; default: {DATABASE}.",
        ),
    ] = None,
    data: Data = Path("data"),
    submissions: Submissions = None,
    suites: Suites = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Trials at a time; default: cores // threads per trial.")
    ] = None,
    isolation: Isolation = Level.process,
    seeds_from: SeedsFrom = None,
    no_download: Annotated[bool, typer.Option("--no-download", help="Never download a data set.")] = False,
) -> None:
    """Check for regressions against a baseline.

    Runs the methods of the baseline again and compares the results. Exits with 1 if anything got worse.
    """
    from unlearnbench import library
    from unlearnbench.report.numbers.table import read
    from unlearnbench.report.text import check_report
    from unlearnbench.system.files import check_writable
    from unlearnbench.verify.placing import placed

    for file in filter(None, (summary, junit)):  # before the run, which takes long
        check_writable(file, against, board)
    rows = None if board is None else read(board)
    places: library.Places = {"data": data, "submissions": submissions, "suites": suites}
    if database is not None:
        places["database"] = database
    bar = Bar()
    with stoppable(STOPPED), nullcontext() if no_run else bar:
        comparison, notes = library.check(
            against,
            suite,
            method or (),
            cost_factor=cost_factor,
            run=not no_run,
            **places,
            workers=workers,
            isolation=isolation.value,
            seeds_from=seeds_from,
            download=not no_download,
            watch=bar.show,
        )
    new = {finding.method for finding in comparison.having("new")}
    places_on = None if rows is None else placed(rows, comparison.current, new)
    check_report.show(comparison, notes, out, places_on)
    check_report.write(comparison, notes, summary, junit, places_on)
    if comparison.having("regression"):
        raise typer.Exit(1)
