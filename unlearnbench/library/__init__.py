"""The Python API: what the command line does, as functions. Import them from `unlearnbench` itself.

    import unlearnbench

    unlearnbench.run("digits", methods=["rem"], seeds=[0])
    unlearnbench.ranking("digits")

Common arguments:

    suite        name of a suite, or path of a suite file
    methods      names of submissions, or NAME/VARIANT
    seeds, rates, corruptions
                 select part of the suite's grid; default: all
    database     the store: a SQLAlchemy URL or an SQLite file; default: "sqlite:///data/unlearnbench.db"
    data         folder for data sets, original models and environments; default: "data"
    submissions  folder of submissions; default: "submissions", and what comes with unlearnbench
    suites       folder of suite files; default: "suites", and what comes with unlearnbench

Invalid arguments raise `UsageError`; failures of the harness itself raise `HarnessError`.
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
    site,
    standings,
)
from unlearnbench.library.repairing import repair
from unlearnbench.library.running import check, debug, problem, rerun, run, tune
from unlearnbench.library.shared import DATABASE, Places, StoredGrid, Where
from unlearnbench.library.storing import import_originals, load, merge, remove_origin

__all__ = [
    "DATABASE",
    "Places",
    "StoredGrid",
    "Where",
    "baseline",
    "board",
    "check",
    "compare",
    "debug",
    "dump",
    "export_originals",
    "import_originals",
    "leaderboard",
    "load",
    "merge",
    "plot",
    "problem",
    "ranking",
    "remove_origin",
    "repair",
    "rerun",
    "results",
    "run",
    "site",
    "standings",
    "tune",
]
