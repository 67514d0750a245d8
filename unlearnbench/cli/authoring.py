"""The verbs of an author: what there is, how to start a submission, how to check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from unlearnbench.cli.common import Submissions, Suites, app, out


@app.command()
def methods(
    submissions: Submissions = Path("submissions"),
    changed_from: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only the names of those that differ from these submissions, gone ones too."),
    ] = None,
) -> None:
    """List the methods: submissions in the folder and installed packages."""
    from unlearnbench.submissions.finding import discover, find_changed

    if changed_from is not None:
        for name in find_changed(discover(submissions), discover(changed_from)):
            out.print(name)
        return
    table = Table("method", "title", "role", "license", Column("paper", overflow="fold"))
    for item in discover(submissions):
        table.add_row(item.label, item.title, item.role, item.license, item.paper)
    out.print(table)


@app.command()
def suites(suites: Suites = Path("suites")) -> None:
    """List the suites with the size of their grids."""
    from unlearnbench.problems.suite_file import parse

    table = Table("suite", "title", "data set", "problems")
    for file in sorted(suites.glob("*.toml")):
        suite = parse(file)
        size = len(suite.corruptions) * len(suite.seeds) * len(suite.discovery_rates)
        table.add_row(file.stem, suite.title, suite.dataset, str(size))
    out.print(table)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the method: lower case, digits, underscores.")],
    submissions: Submissions = Path("submissions"),
) -> None:
    """Start a submission: a small working method to change into yours."""
    from unlearnbench.submissions.template import start

    folder = start(name, submissions)
    out.print(f"{folder / 'submission.toml'}: say what it is", soft_wrap=True)
    out.print(f"{folder / 'method.py'}: say how it works", soft_wrap=True)
    out.print(f"Then check it: unlearnbench validate {folder}", soft_wrap=True)


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of a submission.")],
) -> None:
    """Run every variant of a submission on a tiny problem of each kind; takes seconds."""
    from unlearnbench.verify.validate import validate as run_checks

    checks = run_checks(path)
    for check in checks:
        verdict = f"ok, {check.seconds:.1f} s" if check.ok else f"failed: {check.reason}"
        out.print(f"{check.label}: {verdict}", soft_wrap=True, markup=False, highlight=False)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
