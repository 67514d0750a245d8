"""Write the leaderboard of a suite: figures, trials.csv, ranking.md and the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.boundary.isolation import LEVELS, Isolation
from unlearnbench.report.escaping import markdown_code, markdown_text
from unlearnbench.report.figures import (
    best_lines,
    detail,
    has_plane,
    healing_scatter,
    map_figure,
    maps,
    plane,
    ranked,
    ranked_pairs,
    rates,
    regularity_curve,
    save,
    tied_dropout,
    who_wins,
)
from unlearnbench.report.numbers.board import Board, runs_of
from unlearnbench.report.numbers.budget import over_budget
from unlearnbench.report.numbers.frames import (
    LOW_UTILITY_THRESHOLD,
    healing_correlation,
    places,
    thirds,
)
from unlearnbench.report.numbers.ranking import ranking_of
from unlearnbench.report.numbers.regularity import points
from unlearnbench.report.numbers.table import table_of, write
from unlearnbench.report.numbers.totals import beyond_oracle, incomplete, without_oracle
from unlearnbench.report.site import write_site
from unlearnbench.report.text.findings import thirds_markdown
from unlearnbench.report.text.regularity import prediction_markdown, regularity_markdown
from unlearnbench.report.text.tables import (
    CORRELATION_NOTE,
    correlation_markdown,
    over_budget_note,
    ranked_markdown,
)
from unlearnbench.report.wording import KNEW, MAINTAINERS, OWN, PRODUCT, WITHOUT_ORACLE, demonstration, openness
from unlearnbench.store.labels import original_names
from unlearnbench.store.origins import of_runs
from unlearnbench.store.results import submissions_by_key
from unlearnbench.store.schema import RunRow
from unlearnbench.system.files import replacing

FIGURES, SITE = "figures", "site"
OF_METHOD = ("map", "detail")
"""Figures drawn for every method, in files named KIND-METHOD."""
OF_SUITE = {
    "maps": "Regions studied by prior work, and the maps of all methods",
    "rates": "The best methods and retraining against the discovery rate",
    "tied-dropout": "Methods on standard originals, on tied dropout, and the difference",
    "healing": "Healed on train against healed on test",
    "regularity": "Measured regularity against the number of corrupted samples left in",
    "plane": "Every method on the plane of measured regularity and discovery rate",
    "winners": "The best method in each part of the plane",
}
"""Figures drawn once per suite, with their captions. All but `maps` and `healing` need a suite with such trials."""


def write_leaderboard(engine: Engine, board: Board, folder: Path, *, isolation: Isolation = "process") -> list[Path]:
    """Write the figures, trials.csv, ranking.md and the site of a board; returns their paths.

    The same store gives the same bytes. Figures and pages of methods no longer on the board are deleted.

    Args:
        isolation: the level with which the board was read.
    """
    table = ranking_of(board.totals, board.suite)
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    written = _write_figures(board, table["method"].tolist(), figures)
    patterns = [*(f"{kind}-*" for kind in OF_METHOD), *(f"{kind}.*" for kind in OF_SUITE)]
    for old in (path for pattern in patterns for path in figures.glob(pattern)):
        if old.suffix in (".png", ".svg") and old not in written:
            old.unlink()
    rows, page = folder / "trials.csv", folder / "ranking.md"
    write([table_of(engine, board)], rows)
    shown = {path.stem for path in written}
    sources, own = _sources(engine, board), _own(engine, board, table)
    with replacing(page) as part:
        part.write_text(_page(board, table, sources, own, shown, isolation), encoding="utf-8")
    return [*written, rows, page, *write_site(engine, [board], folder / SITE)]


def file_name(method: str) -> str:
    """A method's label as part of a file name."""
    return re.sub(r"[^\w]+", "-", method).strip("-")


def _write_figures(board: Board, methods: list[str], folder: Path) -> list[Path]:
    """Write all figures as SVG, and `maps` also as PNG for the README."""
    frame = board.frame
    written = save(maps(frame, methods), folder / "maps.svg", folder / "maps.png")
    if (lines := best_lines(frame, board.suite.variants)) and frame["discovery_rate"].nunique() > 1:
        written += save(rates(frame, lines), folder / "rates.svg")
    if pairs := ranked_pairs(frame):
        written += save(tied_dropout(frame, pairs), folder / "tied-dropout.svg")
    written += save(healing_scatter(frame, board.suite.low_utility), folder / "healing.svg")
    if points(frame):
        written += save(regularity_curve(frame), folder / "regularity.svg")
    if has_plane(frame) and (lines := ranked(board)):
        written += save(plane(frame, lines), folder / "plane.svg")
        written += save(who_wins(frame, lines), folder / "winners.svg")
    for method in methods:
        written += save(map_figure(frame, method), folder / f"map-{file_name(method)}.svg")
        written += save(detail(frame, method), folder / f"detail-{file_name(method)}.svg")
    return written


def _own(engine: Engine, board: Board, table: pd.DataFrame) -> list[str]:
    """The ranked methods by the people who maintain the board."""
    rows = submissions_by_key(engine, board.submissions)
    own = {(row.name, row.variant) for row in rows if MAINTAINERS in row.authors}
    ranked = table[table["ranked"]]
    pairs = zip(ranked["method"], ranked["submission"], ranked["variant"], strict=True)
    return [method for method, *submission in pairs if tuple(submission) in own]


def _page(
    board: Board, table: pd.DataFrame, sources: list[str], own: list[str], shown: set[str], isolation: Isolation
) -> str:
    frame, suite = board.frame, board.suite
    figures = {name: f"![{what}]({FIGURES}/{name}.svg)" for name, what in OF_SUITE.items() if name in shown}
    predicted = prediction_markdown(frame, ranked(board))
    held = " of their original model's" if suite.low_utility == "relative" else ""
    head = [
        f"Suite {markdown_code(suite.name)}. {openness(suite.commitment)} {demonstration(board.seeds)}".rstrip(),
        *_demanded(isolation),
        *_not_absorbed(frame),
    ]
    sections = [
        f"# {markdown_text(suite.title)}",
        "\n".join(head),
        "\n".join(f"- {markdown_text(source)}" for source in sources),
        "## Ranking",
        ranked_markdown(table, over_budget_note(over_budget(table), suite)),
        *([f"{OWN.capitalize()}: {', '.join(map(markdown_code, own))}. {KNEW}."] if own else []),
        figures["maps"],
        "## Where methods work",
        thirds_markdown(thirds(frame), table["method"].tolist()),
        f"Healed / utility / {PRODUCT.lower()} in percent: means over seeds and one third of the discovery rates, and"
        " half of the product's 95% interval over seeds.",
        *(figures[name] for name in ("rates", "tied-dropout") if name in figures),
        "## Measured regularity",
        regularity_markdown(frame),
        *(figures[name] for name in ("regularity", "plane", "winners") if name in figures),
        *_section("### Does it predict which method works?", predicted.splitlines()),
        "## Healed on train against healed on test",
        correlation_markdown(healing_correlation(frame, low_utility=suite.low_utility)),
        f"{CORRELATION_NOTE} Trials with a utility under {LOW_UTILITY_THRESHOLD:.0%}{held} are left out.",
        figures["healing"],
        "## Failed trials",
        "\n".join(_failure_lines(frame)) or "None.",
        *_section("## Beyond the oracle", _beyond(frame)),
        *_section("## Seeds that do not count", _incomplete(board.totals)),
        *_section("## Stale records", _stale(board)),
    ]
    return "\n\n".join(sections) + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    """A section with these lines; empty if there are none."""
    return [title, "\n".join(lines)] if lines else []


def _beyond(frame: pd.DataFrame) -> list[str]:
    found = [
        f"- {markdown_code(row['method'])}: {row['corruption']} at {100 * row['discovery_rate']:g}%, seed"
        f" {row['seed']}: healed {row['healed_train']:.1%}, the oracle {row['oracle_healed']:.1%}. Check its code."
        for row in beyond_oracle(frame).to_dict("records")
    ]
    if without_oracle(frame):
        found += ["", f"{WITHOUT_ORACLE}."] if found else [f"{WITHOUT_ORACLE}."]
    return found


def _incomplete(totals: pd.DataFrame) -> list[str]:
    """A line per method with its incomplete seeds."""
    groups = incomplete(totals).groupby("method", sort=False)
    return [
        f"- {markdown_code(str(method))}: "
        + ", ".join(f"seed {row.seed} ({row.recorded} of {row.trials} trials)" for row in rows.itertuples())
        for method, rows in groups
    ]


def _stale(board: Board) -> list[str]:
    return [
        f"- {markdown_code(item.method)}: {item.words}, {markdown_text(item.reason)}. To renew them:"
        f" {markdown_code(item.command)}"
        for item in board.stale
    ]


def _sources(engine: Engine, board: Board) -> list[str]:
    """A line per kind of run that contributed, with the times at which such runs began."""
    runs = runs_of(engine, board.frame)
    origins = of_runs(engine, [run.id for run in runs])
    started: dict[str, list[str]] = {}
    for run in runs:
        started.setdefault(_provenance(run, origins.get(run.id, ())), []).append(f"{run.started_at:%Y-%m-%d %H:%M}")
    return [f"{', '.join(times)} UTC; {provenance}" for provenance, times in started.items()]


def _provenance(run: RunRow, origins: tuple[str, ...]) -> str:
    """Revision, settings, versions and machine of a run, and where it comes from."""
    parts = [
        f"revision {run.revision or 'unknown'}",
        f"precision {run.precision}",
        f"isolation {run.isolation}",
        f"{run.workers} workers" if run.workers != 1 else "1 worker",
        _listed(run.versions),
        _listed(run.hardware),
        f"from {', '.join(origins)}" if origins else "",
    ]
    return "; ".join(part for part in parts if part)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(values.items()))


def _demanded(isolation: Isolation) -> list[str]:
    """A note if a minimum level of isolation was asked for."""
    if isolation == LEVELS[0]:
        return []
    return [f"\nOnly trials with isolation `{isolation}` count; others are treated as missing."]


def _not_absorbed(frame: pd.DataFrame) -> list[str]:
    """A note per original that did not learn the corruption."""
    originals = frame[frame["absorbed"].eq(False).fillna(False)].drop_duplicates("original")
    originals = originals.assign(starts_from=original_names(originals))
    return [
        f"\n**Note:** the original model of {row.corruption}, seed {row.seed}, {markdown_text(str(row.starts_from))},"
        f" memorised only {row.memorised:.0%} of the corruption or was not misled by it: repairing it measures little."
        for row in originals.itertuples()
    ]


def _failure_lines(frame: pd.DataFrame) -> list[str]:
    """A line per method and reason of failure, with the cells."""
    failed = frame[(frame["state"] == "failed") & ~frame["again"]]
    failed = failed.assign(reason=failed["reason"].fillna("no reason recorded"))
    return [
        f"- {markdown_code(str(method))}: {markdown_text(str(reason))} ({len(group)}: {'; '.join(places(group))})"
        for (method, reason), group in failed.groupby(["method", "reason"])
    ]
