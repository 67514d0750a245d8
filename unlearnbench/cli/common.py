"""What commands share: the app, its consoles, common options, the progress bar."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType

    from unlearnbench.running.run import Progress as State


# The groups of `unlearnbench --help`.
RUN, RESULTS, SUBMIT = "Run trials", "Show results", "Write a submission"
CHECK, STORE = "Check results", "Share results"


class Level(StrEnum):
    """The levels of `boundary.isolation`, which is too slow to import for `--help`."""

    process = "process"
    strict = "strict"


app = typer.Typer(
    name="unlearnbench",
    help="Benchmark machine unlearning of corrupted data in image classifiers.",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Into a file or a pipe: wide enough for the tables. No markup: paths and titles may contain brackets.
out = Console(width=None if sys.stdout.isatty() else 160, markup=False)
err = Console(stderr=True, markup=False)

SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite, or path of a suite file.")]
StoredSuite = Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite in the store.")]
Database = Annotated[str, typer.Option(metavar="URL", help="Store: a SQLAlchemy URL or an SQLite file.")]
Data = Annotated[
    Path,
    typer.Option(metavar="DIR", resolve_path=True, file_okay=False, help="Folder for data sets and original models."),
]
Submissions = Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder of submissions.")]
Suites = Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder of suite files.")]
Isolation = Annotated[
    Level, typer.Option(help="`process`: one process per trial; `strict`: also no network, no other files.")
]
SeedsFrom = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, help="File of secret seeds of an audited board (`draw-seeds`)."),
]
OnlySeeds = Annotated[
    list[int] | None, typer.Option("--seed", metavar="N", help="Only this seed (repeatable); default: all.")
]
OnlyRates = Annotated[
    list[float] | None,
    typer.Option("--rate", metavar="X", help="Only this discovery rate, such as 0.5 (repeatable); default: all."),
]
OnlyCorruptions = Annotated[
    list[str] | None,
    typer.Option("--corruption", metavar="NAME", help="Only this corruption (repeatable); default: all."),
]


class Bar:
    """Progress bar of a run: trials done, failed, time left; warnings are printed above it."""

    def __init__(self) -> None:
        self.shown: set[str] = set()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        failed = TextColumn("{task.fields[failed]} failed")
        self.progress = Progress(*columns, failed, TimeRemainingColumn(), console=err)
        self.bar = self.progress.add_task("starting", total=None, failed=0)

    def show(self, state: State) -> None:
        self.progress.start()  # nothing is drawn before the first trial is planned, so an error stands alone
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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress.live.is_started:
            self.progress.stop()
