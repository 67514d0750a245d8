"""The library: what the command line does, as Python calls. All of them are imported from `unlearnbench` itself.

    import unlearnbench

    unlearnbench.run("digits", methods=["rem"], seeds=[0])
    unlearnbench.ranking("digits")

Arguments that the calls share:

    suite        name of a suite, or path of a suite file
    methods      names of submissions, or NAME/VARIANT
    seeds, rates, corruptions
                 the part of the suite's grid that is meant; all of an axis for which nothing is given
    database     the store: a SQLAlchemy URL or an SQLite file; "sqlite:///data/unlearnbench.db" by default
    data         folder for data sets and original models; "data" by default
    submissions  folder of submissions; "submissions" by default
    suites       folder of suite files; "suites" by default

What is wrong with them raises a `UsageError`, one sentence; what the harness does wrong, a `HarnessError`.
"""

from unlearnbench.library.reading import (
    baseline,
    board,
    compare,
    dump,
    export_originals,
    leaderboard,
    plot,
    ranking,
    results,
    standings,
)
from unlearnbench.library.running import check, import_originals, problem, rerun, run, tune
from unlearnbench.library.shared import DATABASE, Places, StoredGrid, Where

__all__ = [
    "DATABASE",
    "Places",
    "StoredGrid",
    "Where",
    "baseline",
    "board",
    "check",
    "compare",
    "dump",
    "export_originals",
    "import_originals",
    "leaderboard",
    "plot",
    "problem",
    "ranking",
    "rerun",
    "results",
    "run",
    "standings",
    "tune",
]
