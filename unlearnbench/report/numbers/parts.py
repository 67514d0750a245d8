"""Ranks on parts of the plane: its cells, rows and columns."""

from __future__ import annotations

import itertools

import pandas as pd

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS, rank_intervals
from unlearnbench.report.numbers.regularity import values_of
from unlearnbench.report.numbers.scores import scores_of
from unlearnbench.report.numbers.totals import totals_of
from unlearnbench.report.wording import in_order

Part = tuple[str | None, float | None]
"""A corruption and a discovery rate; None stands for all of them."""


def parts_of(frame: pd.DataFrame) -> list[Part]:
    """All parts of the plane of a board's frame but the whole: rows, columns, cells."""
    corruptions, rates = in_order(frame["corruption"], values_of(frame)), sorted(frame["discovery_rate"].unique())
    return [
        *((name, None) for name in corruptions),
        *((None, rate) for rate in rates),
        *itertools.product(corruptions, rates),
    ]


def ranks_by_part(frame: pd.DataFrame, ranking: pd.DataFrame) -> dict[Part, dict[str, tuple[int, int]]]:
    """The best and the worst rank of each method on each part, as `ranking_of` that part; empty with too few seeds.

    ranking: that of the frame, which says what competes.
    """
    competing = ranking[ranking["ranked"] & (ranking["seeds"] >= FEWEST_FOR_RANKS)]
    if competing.empty:
        return {}
    groups = [group["method"].tolist() for _, group in competing.groupby("starts_from")]
    own = frame[frame["method"].isin(competing["method"])]
    found: dict[Part, dict[str, tuple[int, int]]] = {}
    for corruption, rate in parts_of(frame):
        rows = own if corruption is None else own[own["corruption"] == corruption]
        rows = rows if rate is None else rows[rows["discovery_rate"] == rate]
        scores, ranks = scores_of(totals_of(rows)), dict[str, tuple[int, int]]()
        for names in groups:
            places = [scores.methods.index(name) for name in names]
            intervals = rank_intervals(scores.values["aggregate"][places], scores.originals[places])
            ranks |= dict(zip(names, intervals, strict=True))
        found[corruption, rate] = ranks
    return found
