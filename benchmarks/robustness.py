"""How far the order of a board depends on its score and its budget: python benchmarks/robustness.py STORE

Prints two tables of the suite `digits`, in percent with 95% t intervals over seeds. In the first, every trial is scored
in other ways as well; failed trials score 0. In the second, methods got half and double the budget, on the suites
`digits-half-budget` and `digits-double-budget`; it needs their trials in the same store.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from unlearnbench.report.numbers.board import Board, read_board
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.text.formats import markdown_table
from unlearnbench.report.text.tables import clipped, interval, number, rank_text
from unlearnbench.store.store import Store

SUITE = "digits"
SCORES: dict[str, Callable[[pd.DataFrame], pd.Series[float]]] = {
    "utility x healed": lambda trials: trials["aggregate"],
    "utility x healed, undiscovered": lambda trials: trials["utility"] * trials["healed_undiscovered"],
    "min(healed, utility)": lambda trials: trials[["healed_train", "utility"]].min(axis=1),
}
"""Scores of a trial. At full discovery nothing is undiscovered, and the second score leaves these trials out."""
BUDGETS = {"half": "digits-half-budget", "as published": SUITE, "double": "digits-double-budget"}


def scored_by(frame: pd.DataFrame, score: Callable[[pd.DataFrame], pd.Series[float]]) -> pd.DataFrame:
    """A board's frame whose aggregate is this score."""
    return frame.assign(aggregate=score(frame).where(frame["state"] == "finished"))


def cells(frame: pd.DataFrame, variants: Sequence[str]) -> pd.Series[str]:
    """The mean, its interval and the ranks of each ranked method, as text, best first."""
    rows = [row for row in ranking(frame, variants).to_dict("records") if row["ranked"]]
    return pd.Series({row["method"]: _cell(row) for row in rows}, dtype="string")


def _cell(row: dict[Any, Any]) -> str:
    ends = interval(*clipped(row["aggregate_low"], row["aggregate_high"]))
    rank = "" if pd.isna(row["best"]) else f", rank {rank_text(row)}"
    return f"{number(row['aggregate'])} {ends}".rstrip() + rank


def by_score(board: Board) -> pd.DataFrame:
    variants = board.suite.variants
    columns = {name: cells(scored_by(board.frame, score), variants) for name, score in SCORES.items()}
    return pd.DataFrame(columns).reindex(columns["utility x healed"].index)


def by_budget(boards: dict[str, Board]) -> pd.DataFrame:
    """The methods that all boards have, on the seeds that are whole on all of them."""
    whole = [set(board.frame.loc[board.frame["whole"], "seed"]) for board in boards.values()]
    seeds = set.intersection(*whole)
    columns = {
        name: cells(board.frame[board.frame["seed"].isin(seeds)], board.suite.variants)
        for name, board in boards.items()
    }
    first = next(iter(columns.values()))
    return pd.DataFrame(columns).reindex(first.index).dropna()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="SQLAlchemy URL or SQLite file")
    parser.add_argument("--budgets", action="store_true", help="print the second table instead of the first")
    options = parser.parse_args()
    with Store(options.store, create=False) as store:
        if options.budgets:
            table = by_budget({name: read_board(store.engine, suite) for name, suite in BUDGETS.items()})
        else:
            table = by_score(read_board(store.engine, SUITE))
    rows = [[str(name), *row] for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)]
    print(markdown_table(["Method", *table.columns], rows))


if __name__ == "__main__":
    main()
