"""Gather the content of a board's pages from the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.boundary.isolation import LEVELS
from unlearnbench.problems.names import data_name
from unlearnbench.problems.secret_seeds import called
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import stored
from unlearnbench.report.figures.regions import PRIOR_WORK
from unlearnbench.report.numbers.board import Board, runs_of
from unlearnbench.report.numbers.budget import budget_words, over_budget
from unlearnbench.report.numbers.frames import healing_correlation
from unlearnbench.report.numbers.parts import ranks_by_part
from unlearnbench.report.numbers.ranking import ranking_of, ranks_tuned
from unlearnbench.report.numbers.regularity import values_of
from unlearnbench.report.numbers.totals import beyond_oracle, incomplete, without_oracle
from unlearnbench.report.numbers.winners import winners
from unlearnbench.report.site.content import Content, Group, Method, Row, Run, Winner
from unlearnbench.report.site.methods import methods_of
from unlearnbench.report.text.rendering import ranking_as
from unlearnbench.report.text.tables import UNPAIRED_NOTE, over_budget_note, uneven_note, unpaired_words
from unlearnbench.report.wording import WITHOUT_ORACLE, openness, row_labels, row_phrases
from unlearnbench.store.labels import original_names
from unlearnbench.store.origins import of_runs
from unlearnbench.store.results import submissions_by_key
from unlearnbench.store.schema import RunRow


def content_of(engine: Engine, board: Board) -> Content:
    """The content of the pages of a board."""
    frame, suite = board.frame, board.suite
    table = ranking_of(board.totals, suite)
    rates = sorted(frame["discovery_rate"].unique())
    submissions = {(row.name, row.variant): row for row in submissions_by_key(engine, board.submissions)}
    methods = methods_of(frame, table, submissions)
    trials = frame[~frame["again"]]
    states = trials["state"].value_counts()
    specification = _settings(suite)
    rows = runs_of(engine, frame)
    runs = tuple(_runs(frame, rows, of_runs(engine, [run.id for run in rows]), specification))
    ranks = ranks_by_part(frame, table)
    rivals = [method for method in methods if method.row["ranked"] and method.row["starts_from"] == suite.base.label]
    level = max((run.isolation for run in rows), key=[str(name) for name in LEVELS].index)
    strict = "" if level == LEVELS[0] else f" --isolation {level}"
    secret = "" if suite.commitment is None else " --seeds-from FILE"
    return Content(
        suite=suite.name,
        title=suite.title,
        dataset=data_name(suite.dataset),
        latest=rows[-1],
        specification=tuple(specification.items()),
        runs=runs,
        corruptions=row_phrases(frame["corruption"], values_of(frame)),
        short=row_labels(frame["corruption"], values_of(frame)),
        rates=tuple(100 * rate for rate in rates),
        groups=tuple(_groups(methods, suite)),
        leaders=_leaders(rivals),
        rivals=len(rivals),
        unranked=sum(bool(pd.isna(method.row["best"])) for method in rivals),
        winners=_winners(frame, rivals, rates),
        ranks=ranks,
        csv=str(ranking_as("csv", board)),
        provenance=tuple(_provenance(runs, len(trials) - int(states.get("missing", 0)))),
        called=" ".join(called(suite)),
        strict=strict,
        secret=secret,
        commands=tuple(_commands(suite, strict, secret)),
        regions=PRIOR_WORK,
        originals=tuple(_originals(frame)),
        correlations=tuple(healing_correlation(frame, low_utility=suite.low_utility).to_dict("records")),
        beyond=tuple(beyond_oracle(frame).to_dict("records")),
        without_oracle=WITHOUT_ORACLE if without_oracle(frame) else "",
        incomplete=tuple(incomplete(board.totals).to_dict("records")),
        stale=board.stale,
        unpaired=f"{UNPAIRED_NOTE} {unpaired_words(table)}." if table["unpaired"].any() else "",
        uneven=uneven_note(table),
        over_budget=over_budget_note(over_budget(table), suite),
        budget=budget_words(suite),
        trials=len(trials),
        failed=int(states.get("failed", 0)),
        missing=int(states.get("missing", 0)),
        seeds=board.seeds,
        openness=openness(suite.commitment),
    )


def _settings(suite: Suite) -> dict[str, str]:
    """A suite as it is stored, as dotted keys and JSON values."""
    return dict(flat(json.loads(json.dumps(suite.stored()))))


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested tables as dotted keys with their values in JSON."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)


def _leaders(rivals: Sequence[Method]) -> tuple[Method, ...]:
    """Those that may have rank 1; without ranks, that with the largest mean of those with the most whole seeds."""
    most = max((method.row["seeds"] for method in rivals), default=0)
    scored = [method for method in rivals if not pd.isna(method.row["aggregate"])]
    ranked = [method for method in scored if not pd.isna(method.row["best"])]
    return (
        tuple(method for method in ranked if method.row["best"] == 1)
        or tuple(method for method in scored if method.row["seeds"] == most)[:1]
    )


def _winners(
    frame: pd.DataFrame, rivals: Sequence[Method], rates: Sequence[float]
) -> tuple[tuple[Winner | None, ...], ...]:
    if not rivals:
        return ()
    by_name = {method.name: method for method in rivals}
    best = winners(frame, list(by_name)).to_dict("index")

    def winner(y: int, x: int) -> Winner | None:
        found = best.get((rivals[0].cells[y][x].corruption, rates[x]))
        if found is None:
            return None
        method = by_name[found["method"]]
        return Winner(method, method.cells[y][x], found["alone"])

    return tuple(tuple(winner(y, x) for x in range(len(rates))) for y in range(len(rivals[0].cells)))


def _groups(methods: list[Method], suite: Suite) -> Iterator[Group]:
    """Methods, other variants and references on the suite's first kind of original, then a group per other kind."""
    first = [method for method in methods if method.row["starts_from"] == suite.base.label]
    others = [method for method in methods if method.row["starts_from"] != suite.base.label]
    ranked = tuple(method for method in first if method.row["ranked"])
    references = tuple(method for method in first if method.reference)
    beside = tuple(method for method in first if not method.row["ranked"] and not method.reference)
    if ranked:
        yield Group("Methods", "", ranked)
    if beside:
        which = "the tuned one if there is one" if ranks_tuned(suite.variants) else "that with its defaults"
        yield Group("Other variants", f"Not ranked: only one variant of a method is, {which}.", beside)
    if references:
        yield Group(
            "References",
            "Not ranked: they know what no method may know, or serve as a comparison.",
            references,
        )
    for kind in dict.fromkeys(method.row["starts_from"] for method in others):
        group = tuple(method for method in others if method.row["starts_from"] == kind)
        note = "They start from another kind of original model and are ranked separately."
        if any(method.row["training"] == "tied-dropout" for method in group):
            note += f" {ETD}"
        yield Group(f"On originals with {kind}", note, group)


ETD = (
    "Tied dropout (in ETD, example-tied dropout): in training, some channels were on for certain samples only, so that"
    " they collect what is memorised of single samples; then these channels were dropped."
)


def _originals(frame: pd.DataFrame) -> Iterator[Row]:
    """The stored originals that the trials start from."""
    known = frame[frame["absorbed"].notna()].drop_duplicates("original")
    known = known.assign(starts_from=original_names(known))
    yield from known.sort_values(["starts_from", "corruption", "corruption_seed"], kind="stable").to_dict("records")


def _runs(
    frame: pd.DataFrame, runs: list[RunRow], origins: Mapping[str, tuple[str, ...]], specification: dict[str, str]
) -> Iterator[Run]:
    recorded = frame.loc[(frame["state"] != "missing") & ~frame["again"], "run"].value_counts()
    for row in runs:
        then = _settings(stored(row.suite_specification))  # with the defaults of what an earlier version did not store
        keys = [key for key in then | specification if then.get(key) != specification.get(key)]
        changed = tuple((key, then.get(key, "not set")) for key in keys)
        yield Run(row, int(recorded.get(row.id, 0)), origins.get(row.id, ()), changed)


def _provenance(runs: Sequence[Run], recorded: int) -> Iterator[str]:
    """Who measured what, when, on which machine and with which software, in sentences."""
    rows = [run.row for run in runs]
    days = [row.started_at for row in rows]
    first, last = (f"{day.day} {day:%B %Y}" for day in (min(days), max(days)))
    when = f"on {first}" if first == last else f"between {first} and {last}"
    yield (
        f"{recorded:,} trials were recorded by {len(rows)} {'runs' if len(rows) != 1 else 'run'} that began {when}, at"
        f" isolation {_either(row.isolation for row in rows)}, in {_either(row.precision for row in rows)}."
    )
    machines = _either(str(row.hardware["processor"]) for row in rows if "processor" in row.hardware)
    software = _either(f"{name} {row.versions[name]}" for row in rows for name in SOFTWARE if name in row.versions)
    known = [f"They ran on {machines}" if machines else "", f"with {software}" if software else ""]
    if any(known):
        yield " ".join(filter(None, known)) + "."
    revisions = sorted({row.revision for row in rows if row.revision})
    if revisions:
        yield f"The code was revision {_either(revision[:12] for revision in revisions)}."
    origins = sorted({origin for run in runs for origin in run.origins})
    if origins:
        yield f"Their records came from {', '.join(origins)}."
    yield f"They follow version {_either(str(row.protocol_version) for row in rows)} of the protocol."


SOFTWARE = ("unlearnbench", "torch", "python")


def _either(texts: Iterator[str]) -> str:
    """Different texts once each, in order of appearance."""
    return ", ".join(dict.fromkeys(texts))


def _commands(suite: Suite, strict: str, secret: str) -> Iterator[tuple[str, str]]:
    yield "Run the whole board again", f"unlearnbench run {' '.join(called(suite))}{strict}"
    metrics = f"unlearnbench store recompute --suite {suite.name}{secret}"
    yield "Compute all metrics again from stored predictions", metrics
    yield "Print this ranking", f"unlearnbench table {suite.name}"
