"""Commands for authors: list methods and suites, create and validate a submission."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from unlearnbench.cli.common import SUBMIT, Isolation, Level, Submissions, Suites, app, out, say, stoppable


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench methods`")
def methods(
    submissions: Submissions = Path("submissions"),
    changed_from: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Print only the names that differ from the submissions in DIR."),
    ] = None,
) -> None:
    """List the methods.

    Methods come from the folder of submissions and from installed packages.
    """
    from unlearnbench.submissions.finding import discover, find_changed

    if changed_from is not None:
        for name in find_changed(discover(submissions), discover(changed_from)):
            say(name)
        return
    table = Table("method", "title", "role", "license", Column("paper", overflow="fold"))
    for item in discover(submissions):
        table.add_row(item.label, item.title, item.role, item.license, item.paper)
    out.print(table)


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench suites`")
def suites(suites: Suites = Path("suites")) -> None:
    """List the suites and their number of problems."""
    from unlearnbench.problems.suite_file import parse

    table = Table("suite", "title", "data set", "problems")
    for file in sorted(suites.glob("*.toml")):
        suite = parse(file)
        size = len(suite.corruptions) * len(suite.seeds) * len(suite.discovery_rates)
        table.add_row(file.stem, suite.title, suite.dataset, str(size))
    out.print(table)


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench new my_method`")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name: lower-case letters, digits, underscores.")],
    submissions: Submissions = Path("submissions"),
) -> None:
    """Create a submission from the template.

    The template is a small method that works.
    """
    from unlearnbench.submissions.template import start

    folder = start(name, submissions)
    say(f"{folder / 'submission.toml'}: describe the method here")
    say(f"{folder / 'method.py'}: implement it here")
    say(f"Then run: unlearnbench validate {folder}")


@app.command(rich_help_panel=SUBMIT, epilog="Example: `unlearnbench validate submissions/my_method`")
def validate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of the submission.")],
    isolation: Isolation = Level.process,
) -> None:
    """Check a submission on tiny problems.

    Runs every variant on one tiny problem of each kind, which takes seconds. Exits with 1 if a variant fails.
    """
    from unlearnbench.verify.validate import validate as run_checks

    with stoppable("Stopped. A validation stores nothing."):
        checks = run_checks(path, isolation=isolation.value)
    for check in checks:
        status = f"ok, {check.seconds:.1f} s" if check.ok else f"failed: {check.reason}"
        out.print(f"{check.label}: {status}", soft_wrap=True, highlight=False)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
