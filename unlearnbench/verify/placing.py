"""Where new methods would stand on a board: a first look, before official trials are run.

Only problems that both sides have count, each method by its mean over them. The sides start from other original models,
often on another machine, so nothing is paired and a place is no rank.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from unlearnbench.report.numbers.board import CELL, SEEDS
from unlearnbench.report.numbers.totals import scored
from unlearnbench.report.wording import in_order

PLACE = [*CELL, *SEEDS, "capacity"]


@dataclass(frozen=True)
class Placed:
    """A method among those of a board: utility x healed in percent, overall and by corruption."""

    method: str
    new: bool
    score: float
    corruptions: dict[str, float]


@dataclass(frozen=True)
class Placing:
    """The ranked methods of a board and the new ones, best first. `left_out` are those of the board that have no place,
    because they lack a trial on one of these problems.

    No method has a place if none is new, or if the board lacks a problem that was run here.
    """

    methods: Sequence[Placed] = ()
    left_out: Sequence[str] = ()


def placed(board: pd.DataFrame, current: pd.DataFrame, new: Collection[str]) -> Placing:
    """Place new methods on a board.

    Args:
        board: the table of trials of a board (`report.numbers.table.read`).
        current: recorded trials, as `verify.baseline.compared` gives them.
        new: labels of the new methods.
    """
    own = current[current["method"].isin(new)]
    places = current.loc[current["problem"].isin(board["problem"]), PLACE].drop_duplicates()
    if own.empty or len(places) < len(current[PLACE].drop_duplicates()):
        return Placing()
    others = board[(board["role"] == "ranked") & ~board["method"].isin(new)].merge(places, on=PLACE)
    recorded = others["state"] != "missing"
    whole = recorded.groupby(others["method"]).sum() == len(places)
    found = [*_scores(others[others["method"].isin(whole.index[whole])], False), *_scores(own, True)]
    return Placing(sorted(found, key=lambda item: (-item.score, item.method)), list(whole.index[~whole]))


def _scores(rows: pd.DataFrame, new: bool) -> Iterator[Placed]:
    for method, of_method in rows.groupby("method"):
        by = {
            name: 100 * float(scored(of_method[of_method["corruption"] == name], "aggregate").mean())
            for name in in_order(of_method["corruption"])
        }
        yield Placed(str(method), new, sum(by.values()) / len(by), by)
