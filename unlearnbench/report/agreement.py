"""Does the small predict the large? How far the boards of several suites in one store agree on methods.

    python -m unlearnbench.report.agreement build/agreement.db docs/agreement digits fashion-small cifar10-jpeg-small

writes docs/agreement.md, .svg and .png. A board without a whole seed is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import FEWEST_POINTS, RESAMPLES
from unlearnbench.report.escaping import markdown_text, printable
from unlearnbench.report.figures.agreement import agreement_figure
from unlearnbench.report.figures.style import save
from unlearnbench.report.numbers.agreement import agreement, comparable, means, places, scores_by_corruption
from unlearnbench.report.numbers.comparison import ALL
from unlearnbench.report.numbers.standings import read_standings
from unlearnbench.report.text.formats import markdown_table
from unlearnbench.report.text.tables import NO_VALUE, correlation_text
from unlearnbench.report.wording import PRODUCT, row_labels
from unlearnbench.store.store import Store
from unlearnbench.system.files import replacing

NOTE = (
    f"Spearman's rank correlation of the methods' scores ({PRODUCT.lower()}, mean over whole seeds) on two boards. The"
    f" unit is the method: intervals are 95% percentile intervals over {RESAMPLES:,} resamples of the methods. They say"
    " how much rests on which methods there are; they do not contain the noise of seeds, nor cover other data sets."
    " Methods run with their defaults, without references, and are those with all seeds of both boards. A score is over"
    " all discovery rates of its board, which need not be those of the other. Under"
    f" {FEWEST_POINTS} methods there is no correlation."
)

PAIRS_NOTE = (
    "The pairs of methods that the first board tells apart (the 95% interval of their difference, each pair by itself,"
    " excludes zero), and how many of them the mean scores on the second board put in the same order; after the comma,"
    " how many the second board tells apart the other way round."
)

PLACES_NOTE = (
    "Among the methods with all seeds of every board; in brackets the score, in percent. Places are those of the means,"
    " which are no ranks: neighbours may be within each other's noise."
)


def write_agreement(database: str, out: Path, suites: list[str]) -> list[Path]:
    """Write the table and the figure to OUT.md, OUT.svg and OUT.png.

    Raises:
        UsageError: there is no store, a suite has no board with a whole seed in it, or there are fewer than two suites.
    """
    with Store(database, create=False) as store:
        boards = {name: read_standings(store.engine, name, suites=[Path("suites")]) for name in suites}
    for name, board in boards.items():
        if not board.seeds:
            raise UsageError(f"suite '{name}' has no whole seed in {database}: run it first")
    totals = comparable(boards)
    pairs = ({one: totals[one], other: totals[other]} for one, other in combinations(totals, 2))
    agreed = pd.concat([agreement(scores_by_corruption(pair)) for pair in pairs], ignore_index=True)
    overall = means(scores_by_corruption(totals)[ALL])
    moved = places(overall)
    text, *figures = (out.with_name(f"{out.name}{suffix}") for suffix in (".md", ".svg", ".png"))
    seeds = ", ".join(f"{name} {own['seed'].nunique()}" for name, own in totals.items())
    figure = f"![Rank correlations and places]({out.name}.svg)"
    parts = [
        "# How far the boards agree",
        agreement_markdown(agreed),
        markdown_text(NOTE),
        pairs_markdown(agreed),
        markdown_text(PAIRS_NOTE),
        f"Whole seeds: {seeds}.",
    ]
    with replacing(text) as part:
        save(agreement_figure(agreed, moved), *figures)
        part.write_text("\n\n".join([*parts, figure, "## Places", PLACES_NOTE, places_markdown(moved, overall)]) + "\n")
    return [text, *figures]


def agreement_markdown(agreed: pd.DataFrame) -> str:
    """The rank correlations: a row per pair of boards, a column per corruption."""
    return _by_corruption(agreed, lambda row: correlation_text(row, "spearman"))


def pairs_markdown(agreed: pd.DataFrame) -> str:
    """The pairs of methods that the first board tells apart and that keep their order on the second."""

    def cell(row: dict[Hashable, Any]) -> str:
        if not row["settled"]:
            return NO_VALUE
        opposite = NO_VALUE if pd.isna(row["opposite"]) else f"{row['opposite']:.0f}"
        return f"{row['same']} of {row['settled']} ({100 * row['same'] / row['settled']:.0f}%), {opposite}"

    return _by_corruption(agreed, cell)


def _by_corruption(agreed: pd.DataFrame, cell: Callable[[dict[Hashable, Any]], str]) -> str:
    names = agreed["corruption"].unique().tolist()
    labels = {ALL: "All"} | row_labels(name for name in names if name != ALL)
    rows = [
        [f"{first}, {second}", *map(cell, part.to_dict("records")), str(part["methods"].max())]
        for (first, second), part in agreed.groupby(["first", "second"], sort=False)
    ]
    return markdown_table(["Boards", *(labels[name] for name in names), "Methods"], rows)


def places_markdown(moved: pd.DataFrame, overall: pd.DataFrame) -> str:
    """A row per method: its place and its score on each board, and by how many places it moves."""
    rows = []
    scores = overall.reindex(moved.index)
    for row, of_row in zip(moved.reset_index().to_dict("records"), scores.to_dict("records"), strict=True):
        cells = [f"{row[board]} ({of_row[board]:.1f})" for board in overall.columns]
        rows.append([row["method"], *cells, str(row["moved"] or NO_VALUE)])
    return markdown_table(["Method", *overall.columns, "Moves by"], rows)


if __name__ == "__main__":
    try:
        if len(sys.argv) < 5 or not Path(sys.argv[2]).name:
            raise UsageError("give a store, the name of the files to write, and two or more suites")
        write_agreement(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
    except UsageError as error:
        sys.exit(f"agreement: {printable(str(error))}")
