"""The command line: one thin function a verb. What is heavy to import is imported by the verb that needs it."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from unlearnbench.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from unlearnbench.engine.run import Progress as State

DATABASE = "sqlite:///data/unlearnbench.db"

app = typer.Typer(
    name="unlearnbench",
    help="Benchmark machine unlearning of corrupted data: run methods on a grid of problems and draw the map.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# What goes into a file or a pipe is as wide as its tables need.
out = Console(width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True)


class Rule(StrEnum):
    blind = "blind"
    oracle = "oracle"


class Sampler(StrEnum):
    tpe = "tpe"
    grid = "grid"


SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite, or the path of a suite file.")]
StoredSuite = Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite that was run.")]
Database = Annotated[str, typer.Option(metavar="URL", help="Results database: a SQLAlchemy URL or an SQLite file.")]
Data = Annotated[Path, typer.Option(metavar="DIR", resolve_path=True, help="Folder of data sets and original models.")]
Submissions = Annotated[Path, typer.Option(metavar="DIR", help="Folder of submissions.")]
Suites = Annotated[Path, typer.Option(metavar="DIR", help="Folder of suite files.")]


@app.command()
def run(
    suite: SuiteName,
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this method (repeat for more); all by default.")
    ] = None,
    database: Database = DATABASE,
    data: Data = Path("data"),
    submissions: Submissions = Path("submissions"),
    suites: Suites = Path("suites"),
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Trials at a time; default: cores // threads of a trial.")
    ] = None,
    no_download: Annotated[bool, typer.Option("--no-download", help="Never download a data set.")] = False,
) -> None:
    """Run all trials of a suite that are not stored yet, and store their results."""
    from unlearnbench.engine.run import run_suite
    from unlearnbench.engine.submissions import choose, discover
    from unlearnbench.problem.suite import find, parse
    from unlearnbench.report.frames import ranking, trials
    from unlearnbench.report.tables import ranked_table
    from unlearnbench.store.store import Store

    grid = parse(find(suite, suites))
    chosen = choose(discover(submissions), method or [], grid.variant)
    if not chosen:
        raise UsageError(f"no submissions in {submissions}: give --submissions, or make one with `unlearnbench new`")
    with Store(database) as store:
        try:
            with Bar() as bar:
                summary = run_suite(
                    grid,
                    chosen,
                    store,
                    data,
                    workers=workers or max(1, _cores() // grid.threads),
                    download=not no_download,
                    watch=bar.show,
                )
        except KeyboardInterrupt:
            err.print("Stopped. Every finished trial is stored; the same command goes on from there.")
            raise typer.Exit(130) from None
        for message in summary.warnings:
            bar.warn(message)
        out.print(ranked_table(ranking(trials(store.engine, grid.name))))
    stored = summary.planned - summary.ran
    counts = f"{summary.ran} trials run in {summary.seconds:.0f} s, {summary.failed} failed; {stored} already stored."
    out.print(counts, soft_wrap=True)
    option = "" if database == DATABASE else f" --database {database}"
    out.print(f"Draw the figures: unlearnbench leaderboard {grid.name} --out leaderboard{option}", soft_wrap=True)


@app.command()
def tune(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Name of a method with a [search] table.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite, or path to a suite file.")] = "digits",
    rule: Annotated[
        Rule, typer.Option(help="Judge by what a method may see, or, never ranked, by true labels.")
    ] = Rule.blind,
    sampler: Annotated[Sampler, typer.Option(help="Optuna's Parzen estimator, or a grid.")] = Sampler.tpe,
    database: Database = DATABASE,
    data: Data = Path("data"),
    submissions: Submissions = Path("submissions"),
    suites: Suites = Path("suites"),
) -> None:
    """Search the hyperparameters of a method on the suite's tuning seeds; prints the winner as a variant."""
    from unlearnbench.engine.submissions import choose, discover
    from unlearnbench.engine.tune import as_variant
    from unlearnbench.engine.tune import tune as search
    from unlearnbench.problem.suite import find, parse
    from unlearnbench.report.tables import tries_table
    from unlearnbench.store.store import Store

    grid = parse(find(suite, suites))
    start = choose(discover(submissions), [method])[0]
    with Store(database) as store, Bar() as bar:
        workers = max(1, _cores() // grid.threads)
        tries = search(
            grid, start, store, data, rule=rule.value, sampler=sampler.value, workers=workers, watch=bar.show
        )
    out.print(tries_table(tries))
    out.print(as_variant(grid.name, rule.value, tries[0]), markup=False, highlight=False, soft_wrap=True)


@app.command()
def methods(submissions: Submissions = Path("submissions")) -> None:
    """List the methods: submissions in the folder and installed packages."""
    from unlearnbench.engine.submissions import discover

    table = Table("method", "title", "role", "license", Column("paper", overflow="fold"))
    for item in discover(submissions):
        table.add_row(item.label, item.title, item.role, item.license, item.paper)
    out.print(table)


@app.command()
def suites(suites: Suites = Path("suites")) -> None:
    """List the suites with the size of their grids."""
    from unlearnbench.problem.suite import parse

    table = Table("suite", "title", "data set", "problems")
    for file in sorted(suites.glob("*.toml")):
        suite = parse(file)
        size = len(suite.corruptions) * len(suite.seeds) * len(suite.discovery_rates)
        table.add_row(file.stem, suite.title, suite.dataset, str(size))
    out.print(table)


@app.command()
def leaderboard(
    suite: StoredSuite,
    out_folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")],
    database: Database = DATABASE,
) -> None:
    """Write the leaderboard of a suite: figures and tables."""
    from unlearnbench.report.frames import ranking, trials
    from unlearnbench.report.leaderboard import write_leaderboard
    from unlearnbench.report.tables import ranked_table
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        files = write_leaderboard(store.engine, suite, out_folder)
        out.print(ranked_table(ranking(trials(store.engine, suite))))
    out.print(f"{len(files)} files written to {out_folder}", soft_wrap=True)


@app.command()
def show(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Name of a method, or name/variant.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite that was run.")] = "digits",
    database: Database = DATABASE,
) -> None:
    """Show the map of one method: utility x healed for each regularity and discovery rate."""
    from unlearnbench.report.frames import trials
    from unlearnbench.report.tables import heatmap_table
    from unlearnbench.store.store import Store

    with Store(database, create=False) as store:
        out.print(heatmap_table(trials(store.engine, suite), method))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the method: lower case, digits, underscores.")],
    submissions: Submissions = Path("submissions"),
) -> None:
    """Start a submission: a small working method to change into yours."""
    from unlearnbench.template import start

    folder = start(name, submissions)
    out.print(f"{folder / 'submission.toml'}: say what it is", soft_wrap=True)
    out.print(f"{folder / 'method.py'}: say how it works", soft_wrap=True)
    out.print(f"Then check it: unlearnbench validate {folder}", soft_wrap=True)


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of a submission.")],
) -> None:
    """Run every variant of a submission on a tiny problem of each kind; takes seconds."""
    from unlearnbench.engine.validate import validate as run_checks

    checks = run_checks(path, workers=_cores())
    for check in checks:
        verdict = f"ok, {check.seconds:.1f} s" if check.ok else f"failed: {check.reason}"
        out.print(f"{check.label}: {verdict}", soft_wrap=True, markup=False, highlight=False)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


class Bar:
    """The progress of a run on the terminal: trials done, failed, time left; warnings above the bar."""

    def __init__(self) -> None:
        self.shown: set[str] = set()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        failed = TextColumn("{task.fields[failed]} failed")
        self.progress = Progress(*columns, failed, TimeRemainingColumn(), console=err)
        self.bar = self.progress.add_task("starting", total=None, failed=0)

    def show(self, state: State) -> None:
        self.progress.update(
            self.bar, description=state.stage, total=state.total, completed=state.done, failed=state.failed
        )
        if state.message is not None:
            self.warn(state.message)

    def warn(self, message: str) -> None:
        """Print a warning once."""
        if message not in self.shown:
            self.shown.add(message)
            err.print(f"warning: {message}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(arguments: list[str] | None = None) -> None:
    """The program. What a person did wrong is one sentence and code 2; what the harness did wrong, code 1."""
    try:
        app(arguments, prog_name="unlearnbench")
    except (UsageError, HarnessError) as error:
        typer.echo(f"unlearnbench: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
