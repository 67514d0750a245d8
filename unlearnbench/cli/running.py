"""Commands that run trials."""

from __future__ import annotations

import shlex
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import (
    CHECK,
    RUN,
    Bar,
    Data,
    Database,
    Environments,
    Isolation,
    Level,
    Limits,
    OnlyCorruptions,
    OnlyRates,
    OnlySeeds,
    RetryFailed,
    SeedsFrom,
    Submissions,
    SuiteName,
    Suites,
    app,
    complain,
    out,
    say,
    stoppable,
    warn,
)
from unlearnbench.errors import UsageError
from unlearnbench.library import DATABASE

STOPPED = "Stopped. Every finished trial is stored; the same command continues from there."


class Executor(StrEnum):
    local = "local"
    ray = "ray"


class Rule(StrEnum):
    blind = "blind"
    oracle = "oracle"


class Sampler(StrEnum):
    tpe = "tpe"
    grid = "grid"


@app.command(rich_help_panel=RUN, epilog="Example: `unlearnbench run digits --method my_method --seed 0`")
def run(
    suite: SuiteName,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this method (repeatable); default: those of the suite."),
    ] = None,
    seed: OnlySeeds = None,
    rate: OnlyRates = None,
    corruption: OnlyCorruptions = None,
    database: Database = DATABASE,
    data: Data = Path("data"),
    submissions: Submissions = None,
    suites: Suites = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Trials at a time; default: as many as the cores allow.")
    ] = None,
    executor: Annotated[
        Executor, typer.Option(help="Run trials on this machine or on a Ray cluster.")
    ] = Executor.local,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(metavar="X", min=0, help="With ray: share of a GPU per trial; default: 1 if there are GPUs."),
    ] = None,
    isolation: Isolation = Level.process,
    limits: Annotated[
        Limits | None,
        typer.Option(
            help="Limits on memory and processes are `enforced` by the kernel (cgroup v2), or `counted`; default:"
            " enforced where the kernel lets you."
        ),
    ] = None,
    seeds_from: SeedsFrom = None,
    environments: Environments = False,
    retry_failed: RetryFailed = False,
    no_download: Annotated[bool, typer.Option("--no-download", help="Never download a data set.")] = False,
) -> None:
    """Run the trials of a suite.

    Trials that are stored already are not run again. A broken submission that no --method names is left out: the others
    run, what is left out is printed, and the exit code is 1.
    """
    from unlearnbench import library
    from unlearnbench.boundary.isolation import require
    from unlearnbench.report.numbers.board import Selection
    from unlearnbench.report.numbers.ranking import ranking_of
    from unlearnbench.report.numbers.standings import read_standings
    from unlearnbench.report.text.tables import ranked_tables
    from unlearnbench.report.wording import openness
    from unlearnbench.store.store import Store

    start = None
    if executor == Executor.ray:
        from unlearnbench.running.executors.ray import cluster

        start = partial(cluster, gpus_per_trial=gpus_per_trial)
    else:
        require(isolation.value)
        if gpus_per_trial is not None:
            raise UsageError("--gpus-per-trial needs --executor ray")
    seeds, rates, corruptions = seed or (), rate or (), corruption or ()
    with stoppable(STOPPED), Bar() as bar:
        summary = library.run(
            suite,
            method or (),
            seeds=seeds,
            rates=rates,
            corruptions=corruptions,
            database=database,
            data=data,
            submissions=submissions,
            suites=suites,
            workers=workers,
            isolation=isolation.value,
            limits=None if limits is None else limits.value,
            seeds_from=seeds_from,
            environments=environments,
            retry_failed=retry_failed,
            executor=start,
            download=not no_download,
            watch=bar.show,
        )
    for message in summary.warnings:
        bar.warn(message)
    with Store(database, create=False) as store:  # the suite as it was run, which its file may no longer say
        standings = read_standings(
            store.engine, summary.suite, selection=Selection(tuple(seeds), tuple(rates), tuple(corruptions))
        )
    out.print(*ranked_tables(ranking_of(standings.totals, standings.suite)), sep="\n")
    say(openness(standings.suite.commitment))
    stored = summary.planned - summary.ran
    ran = f"{summary.ran} {'trial' if summary.ran == 1 else 'trials'} run in {summary.seconds:.0f} s"
    say(f"{ran}, {summary.failed} failed; {stored} already stored.")
    for failure in summary.failures:
        complain(f"{failure.method}: {failure.trials} failed: {failure.reason}")
    earlier = sum(failure.earlier for failure in summary.failures)
    if earlier:
        say(f"{earlier} of these failed in an earlier run. If the fault was not the method's: --retry-failed")
    command = ["unlearnbench", "leaderboard", summary.suite]
    for option, values in (
        ("--seed", seeds),
        ("--rate", rates),
        ("--corruption", corruptions),
        ("--suites", () if suites is None else (suites,)),
        ("--database", () if database == DATABASE else (database,)),
    ):
        command += [part for value in values for part in (option, str(value))]
    say(f"Draw the figures: {shlex.join([*command, '--out', 'build/leaderboard'])}")
    for line in summary.left_out:  # again, because the first one has scrolled away
        complain(line, "red")
    if summary.left_out:  # what ran is stored, but a script must not publish a board without them
        raise typer.Exit(1)


@app.command(rich_help_panel=RUN, epilog="Example: `unlearnbench tune npo --suite digits`")
def tune(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Name of a method with a `[search]` table.")],
    suite: Annotated[str, typer.Option(metavar="SUITE", help="Name of a suite, or path of a suite file.")] = "digits",
    rule: Annotated[
        Rule, typer.Option(help="Choose by what a method may see, or by true labels (never ranked).")
    ] = Rule.blind,
    sampler: Annotated[Sampler, typer.Option(help="Optuna's TPE sampler, or a grid.")] = Sampler.tpe,
    isolation: Isolation = Level.process,
    environments: Environments = False,
    retry_failed: RetryFailed = False,
    database: Database = DATABASE,
    data: Data = Path("data"),
    submissions: Submissions = None,
    suites: Suites = None,
) -> None:
    """Search the hyperparameters of a method.

    Searches on the tuning seeds of the suite and prints the best variant as TOML, if it is not the one that the search
    started from. Exits with 1 if no try finished.
    """
    from unlearnbench import library
    from unlearnbench.problems.suite_file import find, parse
    from unlearnbench.report.text.tries import cost_line, tries_table
    from unlearnbench.submissions.choosing import choose
    from unlearnbench.submissions.finding import discover
    from unlearnbench.system.shipped import places
    from unlearnbench.tuning.tries import choices
    from unlearnbench.tuning.tune import as_variant

    grid = parse(find(suite, *places("suites", suites)))
    found = discover(*places("submissions", submissions))
    start = choose(found, [method], broken=found.broken)[0]
    with stoppable(STOPPED), Bar() as bar:
        tries = library.tune(
            method,
            suite,
            rule=rule.value,
            sampler=sampler.value,
            isolation=isolation.value,
            environments=environments,
            retry_failed=retry_failed,
            database=database,
            data=data,
            submissions=submissions,
            suites=suites,
            watch=bar.show,
        )
    out.print(tries_table(tries, rule.value))
    if not tries[0].eligible:
        complain(f"no try of {method} finished, so none is chosen: see why with `unlearnbench debug {method}`", "red")
        raise typer.Exit(1)
    say(cost_line(choices(tries)))
    if useless := sum(item.failed == item.trials for item in tries):
        warn(f"all trials of {useless} of {len(tries)} tries failed: does the method take what its [search] table has?")
    if tries[0].default:
        say(f"Nothing better than {start.label} was found, so there is no variant to add.")
        return
    out.print(as_variant(grid.name, start.variant, rule.value, tries[0]), highlight=False, soft_wrap=True)


@app.command(rich_help_panel=CHECK, epilog="Example: `unlearnbench rerun 3f2a91`")
def rerun(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Key of a stored trial, or its first characters.")],
    database: Database = DATABASE,
    data: Data = Path("data"),
    submissions: Submissions = None,
    isolation: Annotated[
        Level | None, typer.Option(help="Level to run the trial at; default: that of its record.")
    ] = None,
    seeds_from: SeedsFrom = None,
    environments: Environments = False,
    no_download: Annotated[bool, typer.Option("--no-download", help="Never download a data set.")] = False,
) -> None:
    """Run one stored trial again and compare.

    Stores nothing. Exits with 1 if a weight, a prediction or a metric differs.
    """
    from unlearnbench import library
    from unlearnbench.report.text.trials import rerun_table

    with stoppable("Stopped. A rerun stores nothing."), Bar() as bar:
        comparisons = library.rerun(
            trial,
            isolation=None if isolation is None else isolation.value,
            seeds_from=seeds_from,
            environments=environments,
            database=database,
            data=data,
            submissions=submissions,
            download=not no_download,
            watch=bar.show,
        )
    out.print(rerun_table(comparisons))
    if different := [item.name for item in comparisons if item.equal is False]:
        say(f"Not the same: {', '.join(different)}.")
        raise typer.Exit(1)
    say("The same results.")


@app.command("draw-seeds", rich_help_panel=RUN, epilog="Example: `unlearnbench draw-seeds secret.toml --count 10`")
def draw_seeds(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="File to write.")],
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Number of seeds.")] = 10,
) -> None:
    """Draw secret seeds for an audited board.

    Prints the commitment, the SHA-256 of the file. Publish it before the first run, and the file to open the board.
    """
    from unlearnbench.problems.secret_seeds import draw

    say(f"commitment {draw(file, count).commitment}")
