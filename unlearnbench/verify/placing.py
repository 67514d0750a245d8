"""Where new methods would stand on a board: a first look, before official trials are run.

Only problems that both sides have count, each method by its mean over them. The sides start from other original models,
often on another machine, so nothing is paired and a place is no rank.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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


def placed(board: pd.DataFrame, current: pd.DataFrame, new: Collection[str]) -> list[Placed]:
    """The ranked methods of a board and the new ones, best first.

    Empty if there is no new method, or if the board lacks a problem that was run here. Methods of the board that lack a
    trial on one of these problems are left out.

    Args:
        board: the table of trials of a board (`report.numbers.table.read`).
        current: recorded trials, as `verify.baseline.compared` gives them.
        new: labels of the new methods.
    """
    own = current[current["method"].isin(new)]
    places = current.loc[current["problem"].isin(board["problem"]), PLACE].drop_duplicates()
    if own.empty or len(places) < len(current[PLACE].drop_duplicates()):
        return []
    others = board[(board["role"] == "ranked") & ~board["method"].isin(new)].merge(places, on=PLACE)
    recorded = others["state"] != "missing"
    whole = recorded.groupby(others["method"]).sum() == len(places)
    found = [*_scores(others[others["method"].isin(whole.index[whole])], False), *_scores(own, True)]
    return sorted(found, key=lambda item: (-item.score, item.method))


def _scores(rows: pd.DataFrame, new: bool) -> Iterator[Placed]:
    for method, of_method in rows.groupby("method"):
        by = {
            name: 100 * float(scored(of_method[of_method["corruption"] == name], "aggregate").mean())
            for name in in_order(of_method["corruption"])
        }
        yield Placed(str(method), new, sum(by.values()) / len(by), by)
