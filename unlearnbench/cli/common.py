"""What commands share: the app, what they print, common options, the progress bar, how they are stopped."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from unlearnbench.errors import masked
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.report.escaping import one_line
from unlearnbench.report.text.terminal import Terminal

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from unlearnbench.running.run import Progress as State


# The groups of `unlearnbench --help`.
RUN, RESULTS, SUBMIT = "Run trials", "Show results", "Write a submission"
CHECK, STORE = "Check results", "Share results"


class Level(StrEnum):
    """The levels of `boundary.isolation`, which is too slow to import for `--help`."""

    process = "process"
    strict = "strict"


class Limits(StrEnum):
    """How limits are held, see `boundary.cgroup`."""

    counted = "counted"
    enforced = "enforced"


class Commands(TyperGroup):
    """All commands; what is typed wrongly is repeated without passwords."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(message := getattr(error, "message", None), str):  # the class of these errors is private
                error.message = masked(message)  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    name="unlearnbench",
    cls=Commands,
    help="Benchmark machine unlearning of corrupted data in image classifiers.",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"unlearnbench {version('unlearnbench')}, protocol {PROTOCOL_VERSION}")
        raise typer.Exit


@app.callback()
def _program(
    shown: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the versions of package and protocol."),
    ] = False,
) -> None:
    pass


out = Terminal(width=None if sys.stdout.isatty() else 160)  # into a file or a pipe: wide enough for the tables
err = Terminal(stderr=True)

SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite, or path of a suite file.")]
StoredSuite = Annotated[str, typer.Argument(metavar="SUITE", help="Name of a suite in the store.")]
Database = Annotated[str, typer.Option(metavar="URL", help="Store: a SQLAlchemy URL or an SQLite file.")]
Data = Annotated[
    Path,
    typer.Option(metavar="DIR", resolve_path=True, file_okay=False, help="Folder for data sets and original models."),
]
Submissions = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        file_okay=False,
        help="Folder of submissions, the only one; default: `submissions`, then what comes with unlearnbench.",
    ),
]
Suites = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        file_okay=False,
        help="Folder of suite files, the only one; default: `suites`, then what comes with unlearnbench.",
    ),
]
Isolation = Annotated[
    Level, typer.Option(help="`process`: one process per trial; `strict`: also no network, no other files.")
]
Environments = Annotated[
    bool,
    typer.Option(
        "--environments",
        help="Build an environment of its own, with uv, for each submission whose `requires` does not fit.",
    ),
]
RetryFailed = Annotated[
    bool,
    typer.Option("--retry-failed", help="Run stored trials that failed again; their records keep the failure."),
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


def say(line: str) -> None:
    """Print one line."""
    out.print(masked(one_line(line)), highlight=False, soft_wrap=True)


def complain(line: str, style: str | None = None) -> None:
    """Print one line to standard error."""
    err.print(masked(one_line(line)), style=style, highlight=False, soft_wrap=True)


def warn(message: str) -> None:
    complain(f"warning: {message}", "yellow")


class Stopped(KeyboardInterrupt):
    """A signal that ends the command as Ctrl-C does."""

    def __init__(self, number: int):
        self.number = number


@contextmanager
def stoppable(sentence: str) -> Iterator[None]:
    """End a command on SIGTERM and SIGHUP as on Ctrl-C.

    What runs is killed, the sentence is printed, and the exit code is 128 plus the number of the signal. A signal that
    is ignored at the start, as SIGHUP is under nohup, stays ignored.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for other in before:  # a closing terminal or a shutdown sends both; the second must not interrupt the clean-up
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        with suppress(OSError):  # the terminal may be gone
            complain(sentence)
        raise typer.Exit(128 + getattr(interrupt, "number", signal.SIGINT)) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
            warn(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress.live.is_started:
            with suppress(OSError) if isinstance(error, Stopped) else nullcontext():  # the terminal may be gone
                self.progress.stop()
