"""Commands for authors: list methods and suites, create and validate a submission."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from unlearnbench.cli.common import (
    SUBMIT,
    Bar,
    Data,
    Environments,
    Isolation,
    Level,
    Submissions,
    Suites,
    app,
    complain,
    out,
    say,
    stoppable,
    warn,
)
from unlearnbench.errors import UsageError


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench methods`")
def methods(
    submissions: Submissions = None,
    changed_from: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Print only the names that differ from the submissions in DIR."),
    ] = None,
) -> None:
    """List the methods.

    Methods come from the folder of submissions, from unlearnbench itself and from installed packages. One that cannot
    be read is listed as broken, with the reason.
    """
    from unlearnbench.submissions.finding import differing_from_shipped, discover, find_changed
    from unlearnbench.system.shipped import places

    folders = places("submissions", submissions)
    if changed_from is not None:
        if not changed_from.is_dir():
            raise UsageError(f"no folder {changed_from}: choose the folder of submissions with --changed-from")
        for name in find_changed(discover(folders[0]), discover(changed_from)):
            say(name)
        return
    found = discover(*folders)
    if not (found.submissions or found.broken):
        raise UsageError(
            f"no submissions in {folders[0]}, and none installed: choose another folder with --submissions, or create"
            " one with `unlearnbench new NAME`"
        )
    table = Table("method", "title", "role", "license", "from", Column("paper", overflow="fold"))
    for item in found:
        place = item.distribution or _place(folders, f"{item.name}/submission.toml")
        table.add_row(item.label, item.title, item.role, item.license, place, item.paper)
    for name, why in found.broken.items():
        table.add_row(name, why, "broken")
    out.print(table)
    for name in differing_from_shipped(found):
        warn(f"submission '{name}' is not the one of this name that comes with unlearnbench")


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench suites`")
def suites(suites: Suites = None) -> None:
    """List the suites and their number of problems.

    One that cannot be read is listed as broken, with the reason.
    """
    from unlearnbench.problems.suite_file import differs_from_shipped, parse, suite_files
    from unlearnbench.system.shipped import places

    folders = places("suites", suites)
    table, differing = Table("suite", "title", "data set", "problems", "from"), []
    found = suite_files(*folders)
    if not found:
        raise UsageError(f"no suite files (*.toml) in {folders[0]}: choose another folder with --suites")
    for name, file in found.items():
        try:
            suite = parse(file)
        except UsageError as error:
            table.add_row(name, str(error), "broken")
            continue
        size = len(suite.corruptions) * len(suite.seeds) * len(suite.discovery_rates)
        table.add_row(name, suite.title, suite.dataset, str(size), _place(folders, file.name))
        differing += [suite.name] if differs_from_shipped(suite) else []
    out.print(table)
    for name in differing:
        warn(f"suite '{name}' is not the one of this name that comes with unlearnbench")


def _place(folders: tuple[Path, ...], file: str) -> str:
    """Where a suite or submission is from: the user's folder if that has its file, else the package."""
    return str(folders[0]) if (folders[0] / file).is_file() else "unlearnbench"


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench new my_method`")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name: lower-case letters, digits, underscores.")],
    submissions: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder of submissions.")] = Path(
        "submissions"
    ),
) -> None:
    """Create a submission from the template.

    The template is a small method that works.
    """
    from unlearnbench.submissions.template import start

    folder = start(name, submissions)
    say(f"{folder / 'submission.toml'}: describe the method here")
    say(f"{folder / 'method.py'}: implement it here")
    say(f"Then run: unlearnbench validate {folder}")


@app.command("new-suite", rich_help_panel=SUBMIT, epilog="Example: `unlearnbench new-suite my-suite`")
def new_suite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name: letters, digits, hyphens, underscores.")],
    suites: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder of suite files.")] = Path(
        "suites"
    ),
) -> None:
    """Create a suite from a template.

    The new suite extends `digits`: its file says only what differs.
    """
    from unlearnbench.problems.suite_file import start

    file = start(name, suites)
    say(f"{file}: say here what differs from `digits`")
    say(f"Then run: unlearnbench run {name}")


DEBUG = "Example: `unlearnbench debug my_method --corruption poison-trigger --rate 0.5`"


@app.command(rich_help_panel=SUBMIT, epilog=DEBUG)
def debug(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Method, as `name` or `name/variant`.")],
    corruption: Annotated[str, typer.Option(metavar="NAME", help="Corruption of the problem.")],
    rate: Annotated[float, typer.Option(metavar="X", help="Discovery rate, such as 0.5.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite, or path of a suite file.")] = "digits",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the suite.")] = 0,
    data: Data = Path("data"),
    submissions: Submissions = None,
    suites: Suites = None,
) -> None:
    """Run one trial in this process.

    `print` and `breakpoint()` work in the code of the submission, and a traceback names its own files. Prints the
    metrics and stores no result. There are no limits and no isolation: debug only code that you trust. Exits with 1 if
    the trial fails.
    """
    from unlearnbench import library
    from unlearnbench.report.text.trials import metrics_table

    with stoppable("Stopped. Debugging stores nothing."):
        found = library.debug(
            method,
            suite,
            corruption=corruption,
            rate=rate,
            seed=seed,
            data=data,
            submissions=submissions,
            suites=suites,
        )
    if found.error is not None:
        traceback.print_exception(found.error)
    if found.metrics is not None:
        out.print(metrics_table(found.metrics))
    say(
        f"{found.seconds:.1f} s in `unlearn`; samples forward {found.forward_samples:,}, backward"
        f" {found.backward_samples:,}"
    )
    if found.reason is not None:
        complain(f"failed: {found.reason}")
        raise typer.Exit(1)


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench validate submissions/my_method`")
def validate(
    submission: Annotated[
        str, typer.Argument(metavar="PATH", help="Folder of the submission, or name of an installed method.")
    ],
    isolation: Isolation = Level.process,
    environments: Environments = False,
    data: Data = Path("data"),
) -> None:
    """Check a submission on tiny problems.

    Runs every variant on one tiny problem of each corruption, on one with colour images, and on one with a transformer;
    in a checkout, also the linters that CI runs. Exits with 1 if a variant fails or a linter complains.
    """
    from unlearnbench.report.numbers.budget import budget_text
    from unlearnbench.verify.linting import lint
    from unlearnbench.verify.validate import validate as run_checks

    with stoppable("Stopped. A validation stores nothing."), Bar() as bar:
        checks = run_checks(
            submission,
            isolation=isolation.value,
            originals=data / "originals",
            environments=data / "environments" if environments else None,
            watch=bar.show,
        )
        complaints = lint(Path(submission))
    for check in checks:
        share = budget_text(float("nan") if check.budget is None else check.budget)
        status = f"ok, {check.seconds:.1f} s, samples / budget {share}" if check.ok else f"failed: {check.reason}"
        out.print(f"{check.label}: {status}", soft_wrap=True, highlight=False)
    for complaint in complaints:
        complain(complaint)
    if complaints or not all(check.ok for check in checks):
        raise typer.Exit(1)
