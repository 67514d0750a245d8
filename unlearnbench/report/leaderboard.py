"""The leaderboard of a suite as files: figures, every trial, and a page with the ranking."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from unlearnbench.engine.isolation import LEVELS, Isolation
from unlearnbench.report.figures import PRODUCT, detail, healing_scatter, map_figure, maps, save
from unlearnbench.report.frames import (
    LOW_UTILITY_THRESHOLD,
    LowUtility,
    healing_correlation,
    latest_run,
    ranking,
    runs_of,
    thirds,
    trials,
)
from unlearnbench.report.tables import correlation_markdown, ranked_markdown, thirds_markdown
from unlearnbench.store.schema import RunRow

FIGURES = "figures"
OF_METHOD = ("map", "detail")
"""What is drawn of every method: the files are called KIND-METHOD."""


def write_leaderboard(engine: Engine, suite: str, folder: Path, *, isolation: Isolation = "process") -> list[Path]:
    """Write the figures, trials.csv and ranking.md of a suite; the paths of what was written.

    The same store gives the same bytes. Figures of methods that are no longer there are removed.

    Raises:
        UsageError: the store has no run of this suite.
    """
    specification = latest_run(engine, suite).suite_specification
    frame = trials(engine, suite, isolation=isolation)
    table = ranking(frame)
    low_utility: LowUtility = specification.get("low_utility", "relative")
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    written = _write_figures(frame, table["method"].tolist(), low_utility, figures)
    for old in (path for kind in OF_METHOD for path in figures.glob(f"{kind}-*")):
        if old.suffix in (".png", ".svg") and old not in written:
            old.unlink()
    rows, page = folder / "trials.csv", folder / "ranking.md"
    frame.to_csv(rows, index=False, lineterminator="\n")
    title = specification.get("title", suite)
    page.write_text(_page(title, suite, frame, table, runs_of(engine, frame), low_utility, isolation), encoding="utf-8")
    return [*written, rows, page]


def file_name(method: str) -> str:
    """A method's name in the name of a file."""
    return re.sub(r"[^\w]+", "-", method).strip("-")


def _write_figures(frame: pd.DataFrame, methods: list[str], low_utility: LowUtility, folder: Path) -> list[Path]:
    written = save(maps(frame, methods), folder / "maps")
    for method in methods:
        written += save(map_figure(frame, method), folder / f"map-{file_name(method)}")
        written += save(detail(frame, method), folder / f"detail-{file_name(method)}")
    return written + save(healing_scatter(frame, low_utility), folder / "healing")


def _page(
    title: str,
    suite: str,
    frame: pd.DataFrame,
    table: pd.DataFrame,
    runs: list[RunRow],
    low_utility: LowUtility,
    isolation: Isolation,
) -> str:
    held = " of that of the trial's original model" if low_utility == "relative" else ""
    sections = [
        f"# {title}",
        "\n".join([f"Suite `{suite}`.", *_demanded(isolation), *_not_absorbed(frame)]),
        "\n".join(f"- {_provenance(run)}" for run in runs),
        "## Ranking",
        ranked_markdown(table),
        f"![Maps of all methods]({FIGURES}/maps.svg)",
        "## Where methods work",
        thirds_markdown(thirds(frame), table["method"].tolist()),
        f"Healed / utility / {PRODUCT.lower()} in percent, means over seeds and a third of the discovery rates.",
        "## Healing on train against healing on test",
        correlation_markdown(healing_correlation(frame, low_utility=low_utility)),
        "Correlations over finished trials, with bootstrap 95% intervals; none of fewer than 3 trials or where nothing"
        f" varies. Trials with a utility under {LOW_UTILITY_THRESHOLD:.0%}{held} are left out.",
        f"![Healing on train against healing on test]({FIGURES}/healing.svg)",
        "## Failed trials",
        "\n".join(_failures(frame)) or "None.",
    ]
    return "\n\n".join(sections) + "\n"


def _provenance(run: RunRow) -> str:
    """Where a run's numbers come from, in one line."""
    parts = [
        f"{run.started_at:%Y-%m-%d %H:%M} UTC",
        f"revision {run.revision or 'unknown'}",
        f"precision {run.precision}",
        f"isolation {run.isolation}",
        f"{run.workers} workers" if run.workers != 1 else "1 worker",
        _listed(run.versions),
        _listed(run.hardware),
    ]
    return "; ".join(part for part in parts if part)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(values.items()))


def _demanded(isolation: Isolation) -> list[str]:
    """A note where not every record counts."""
    if isolation == LEVELS[0]:
        return []
    return [f"\nOnly trials that ran at the level of isolation `{isolation}` count; all others are missing."]


def _not_absorbed(frame: pd.DataFrame) -> list[str]:
    """A note for each original that did not learn the corruption."""
    originals = frame[frame["absorbed"].eq(False).fillna(False)].drop_duplicates("original")
    return [
        f"\n**Note:** the original model of regularity {row.regularity}, seed {row.corruption_seed}, {row.stands_on},"
        " memorised only"
        f" {row.memorised:.0%} of the corruption or was not misled by it: repairing it measures little."
        for row in originals.itertuples()
    ]


def _failures(frame: pd.DataFrame) -> list[str]:
    """Failed trials by method and reason, each with its cells."""
    failed = frame[frame["state"] == "failed"]
    failed = failed.assign(reason=failed["reason"].fillna("no reason recorded"))
    lines = []
    for (method, reason), group in failed.groupby(["method", "reason"]):
        cells = (
            f"{regularity} at {', '.join(f'{100 * rate:g}%' for rate in sorted(cell['discovery_rate'].unique()))}"
            for regularity, cell in group.groupby("regularity")
        )
        lines.append(f"- `{method}`: {' '.join(str(reason).split())} ({len(group)}: {'; '.join(cells)})")
    return lines
