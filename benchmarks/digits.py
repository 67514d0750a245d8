"""What the board of `digits` says, as the tables of its page: python benchmarks/digits.py STORE docs/digits.md

Rewrites what stands between `<!-- NAME -->` and `<!-- end -->`, for every name in `tables_of`. All numbers are
utility x healed in percent, with 95% t intervals over seeds. The store needs the board of `digits`, and for
their tables those of the suites in `BUDGETS`, of `BFLOAT16`, and an audited one. `--processor STORE` names a store with
trials of the same cells from another processor.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.statistics import Values, difference, estimate
from unlearnbench.report.escaping import printable
from unlearnbench.report.numbers.board import Board, read_board
from unlearnbench.report.numbers.budget import MARKED, budget_shares
from unlearnbench.report.numbers.comparison import ALL, comparison
from unlearnbench.report.numbers.frames import THIRDS, third_of
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.numbers.totals import scored, shown
from unlearnbench.report.text.blocks import updated
from unlearnbench.report.text.differences import signed
from unlearnbench.report.text.findings import OF_THIRDS
from unlearnbench.report.text.formats import markdown_table
from unlearnbench.report.text.tables import NO_VALUE, interval, number, rank_text, with_interval
from unlearnbench.report.wording import in_order, row_labels
from unlearnbench.store.schema import RunRow
from unlearnbench.store.store import Store

SUITE = "digits"
SCORES: dict[str, Callable[[pd.DataFrame], pd.Series[float]]] = {
    "utility x healed": lambda trials: trials["aggregate"],
    "utility x healed, undiscovered": lambda trials: trials["utility"] * trials["healed_undiscovered"],
    "min(healed, utility)": lambda trials: trials[["healed_train", "utility"]].min(axis=1),
}
"""Scores of a trial. At full discovery nothing is undiscovered, and the second score leaves these trials out."""
BUDGETS = {"published": SUITE, "half": "digits-half-budget", "double": "digits-double-budget"}
BFLOAT16 = f"{SUITE}-bfloat16"
AUDITED = f"{SUITE}-audited-"
"""What the name of an audited board of the suite begins with."""
PAPER = [("rem/digits", "npo/digits"), ("npo/digits", "retrain"), ("retrain", "potion/digits"), ("npo", "npo/digits")]
"""The published order, REM over NPO over retraining over Potion (docs/protocol.md, section 6), and what tuning did to
NPO."""
BATCHNORM = [("npo", "npo/frozen_batchnorm")]
"""As the authors run it, minus ours, in which BatchNorm keeps the original's running statistics on passes over D_f."""
TUNINGS = Path(__file__).parents[1] / "leaderboard" / "tuning"
SAID = r"default ([\d.]+)%, blind choice ([\d.]+)%, oracle's choice ([\d.]+)%; the blind choice costs ([\d.]+) points"


def tables_of(boards: Mapping[str, Board], other: Board | None = None) -> dict[str, str]:
    """The tables of the page by name, as Markdown, as far as these boards have their trials."""
    board = boards[SUITE]
    tables = {
        "regions": regions_markdown(board.frame, rivals(board)),
        "within_budget": regions_markdown(board.frame, within_budget(board)),
        "paper": differences_markdown(board.frame, PAPER),
        "scores": _by_method(by_score(board)),
        "choices": choices_markdown(TUNINGS),
    }
    if set(board.frame["method"]).issuperset(name for pair in BATCHNORM for name in pair):
        tables["batchnorm"] = differences_markdown(board.frame, BATCHNORM)
    if boards.keys() >= set(BUDGETS.values()):
        tables["budgets"] = budgets_markdown({name: boards[suite] for name, suite in BUDGETS.items()})
    for suite, audited in boards.items():
        if suite.startswith(AUDITED):
            tables["audited"] = audited_markdown(board.frame, audited.frame)
    if BFLOAT16 in boards:
        tables["precision"] = rounding_markdown(board.frame, boards[BFLOAT16].frame)
    if other is not None:
        tables["processors"] = rounding_markdown(board.frame, other.frame)
    return tables


def rivals(board: Board) -> list[str]:
    """The ranked methods on standard originals, best first."""
    table = ranking(board.frame, board.suite.variants)
    return table.loc[table["ranked"] & (table["training"] == "standard"), "method"].tolist()


def within_budget(board: Board) -> list[str]:
    """Those among them that do not train on more samples than the budget allows."""
    shares = budget_shares(board.totals, board.suite)
    return [name for name in rivals(board) if not shares[name] > MARKED]


def regions_markdown(frame: pd.DataFrame, methods: Sequence[str]) -> str:
    """The best of these methods in each third of the rates of each corruption, and all others that may be first there.

    With too few seeds for ranks, only the best is named.
    """
    labels = row_labels(frame["corruption"])
    frame = frame[frame["method"].isin(methods)]
    rows = []
    for corruption in in_order(frame["corruption"]):
        of_it = frame[frame["corruption"] == corruption]
        rows.append([labels[corruption], *(_best(of_it[third_of(of_it) == third]) for third in THIRDS)])
    return markdown_table(["Regularity", *OF_THIRDS], rows)


def _best(part: pd.DataFrame) -> str:
    if part.empty:
        return NO_VALUE
    first, *others = ranking(part).to_dict("records")
    equal = [row["method"] for row in others if not pd.isna(row["best"]) and row["best"] == 1]
    return f"{first['method']} {_cell(first, rank=False)}" + (f"; or {', '.join(equal)}" if equal else "")


def differences_markdown(frame: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> str:
    """The first of each pair minus the second, over the whole board and by corruption, paired within seeds."""
    rows, header = [], ["Method"]
    for first, second in pairs:
        table = comparison(frame, first, second)
        parts = table[table["discovery_rate"].isna()].to_dict("records")
        labels = {ALL: "All"} | row_labels(row["corruption"] for row in parts if row["corruption"] != ALL)
        header = ["Method", *(labels[row["corruption"]] for row in parts), "Seeds won"]
        cells = [f"{signed(row['aggregate'])} {interval(row['aggregate_low'], row['aggregate_high'])}" for row in parts]
        rows.append([f"{first} minus {second}", *cells, f"{parts[0]['wins']} of {parts[0]['seeds']}"])
    return markdown_table(header, rows)


def scored_by(frame: pd.DataFrame, score: Callable[[pd.DataFrame], pd.Series[float]]) -> pd.DataFrame:
    """A board's frame whose aggregate is this score."""
    return frame.assign(aggregate=score(frame).where(frame["state"] == "finished"))


def cells(frame: pd.DataFrame, variants: Sequence[str]) -> pd.Series[str]:
    """The mean, its interval and the ranks of each ranked method, as text, best first."""
    rows = [row for row in ranking(frame, variants).to_dict("records") if row["ranked"]]
    return pd.Series({row["method"]: _cell(row) for row in rows}, dtype="string")


def _cell(row: dict[Any, Any], rank: bool = True) -> str:
    place = "" if pd.isna(row["best"]) or not rank else f", rank {rank_text(row)}"
    return with_interval(row["aggregate"], row["aggregate_low"], row["aggregate_high"]) + place


def by_score(board: Board) -> pd.DataFrame:
    """The ranked methods under each of `SCORES`."""
    variants = board.suite.variants
    columns = {name: cells(scored_by(board.frame, score), variants) for name, score in SCORES.items()}
    return pd.DataFrame(columns).reindex(columns["utility x healed"].index)


def budgets_markdown(boards: Mapping[str, Board]) -> str:
    """The methods that all boards have, best first, on the seeds that are whole on all of them.

    Their means on the first board, and what the others add, paired within seeds.
    """
    whole = [set(board.frame.loc[board.frame["whole"], "seed"]) for board in boards.values()]
    seeds = set.intersection(*whole)
    (name, first), *others = ((name, board.frame[board.frame["seed"].isin(seeds)]) for name, board in boards.items())
    rows = []
    for method in ranking(first, next(iter(boards.values())).suite.variants)["method"]:
        if all((frame["method"] == method).any() for _, frame in others):
            own = _of_seeds(first, method)
            there = (_of_seeds(frame, method).reindex(own.index) for _, frame in others)
            rows.append([method, _mean(own), *(_apart(values.to_numpy(), own.to_numpy(), True) for values in there)])
    return markdown_table(["Method", name, *(f"{other} minus {name}" for other, _ in others)], rows)


def _by_method(table: pd.DataFrame) -> str:
    rows = [[str(name), *row] for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return markdown_table(["Method", *table.columns], rows)


def rounding_markdown(here: pd.DataFrame, there: pd.DataFrame) -> str:
    """Each method that ran where numbers round differently: its mean on the board, and both over the seeds of both.

    Also by how much a seed moves and a cell moves at most, and how many trials end in the same weights.
    """
    here, there = (shown(frame).assign(aggregate=scored(shown(frame), "aggregate")) for frame in (here, there))
    cell = ["method", "seed", "corruption", "discovery_rate"]
    both = here.merge(there, on=cell, suffixes=("", "_there"))
    rows = []
    for method, own in both.groupby("method"):
        of_seeds = 100 * own.groupby("seed")[["aggregate", "aggregate_there"]].mean()
        moved = 100 * (own["aggregate_there"] - own["aggregate"]).abs()
        rows.append(
            [
                str(method),
                _mean(_of_seeds(here, str(method))),
                number(of_seeds["aggregate"].mean()),
                number(of_seeds["aggregate_there"].mean()),
                number((of_seeds["aggregate_there"] - of_seeds["aggregate"]).abs().max()),
                number(moved.max()),
                f"{np.mean(own['weights_hash'] == own['weights_hash_there']):.0%}",
            ]
        )
    header = ["Method", "Board", "These seeds", "There", "A seed moves by", "A cell moves by", "Same weights"]
    return markdown_table(header, rows)


def audited_markdown(public: pd.DataFrame, audited: pd.DataFrame) -> str:
    """The methods on the audited board, there and on the open one, and the difference with its Welch interval."""
    rows = []
    for method in ranking(audited)["method"]:
        own, open_ = (_of_seeds(frame, method) for frame in (audited, public))
        first, second = np.append(own, np.full(len(open_), np.nan)), np.append(np.full(len(own), np.nan), open_)
        rows.append([method, _mean(own), _mean(open_), _apart(first, second, False)])
    return markdown_table(["Method", "Audited", "Open", "Audited minus open"], rows)


def choices_markdown(folder: Path) -> str:
    """What choosing without clean data cost each method in its tuning, as its file says; dearest first."""
    found: list[tuple[str, list[float]]] = []
    for file in sorted(folder.glob("*.txt")):
        said = re.search(SAID, file.read_text(encoding="utf-8"))
        if said is None:
            raise UsageError(f"{file} does not say what its choices cost: tune again")
        found.append((file.stem, [float(value) for value in said.groups()]))
    rows = [[name, *map(number, values)] for name, values in sorted(found, key=lambda row: -row[1][-1])]
    return markdown_table(["Method", "Default", "Blind choice", "Oracle's choice", "Cost of the blind choice"], rows)


def _of_seeds(frame: pd.DataFrame, method: str) -> pd.Series[float]:
    """The mean of a method in percent, by seed."""
    own = shown(frame[frame["method"] == method])
    means: pd.Series[float] = 100 * scored(own, "aggregate").groupby(own["seed"]).mean().astype("float64")
    return means


def _mean(of_seeds: pd.Series[float]) -> str:
    found = estimate(of_seeds.to_numpy())
    return with_interval(found.value, found.low, found.high)


def _apart(first: Values, second: Values, paired: bool) -> str:
    found = difference(first, second, np.full(len(first), paired))
    return f"{signed(found.value)} {interval(found.low, found.high)}".rstrip()


def write_page(database: str, page: Path, processor: str | None = None) -> None:
    """Rewrite the tables of the page.

    Raises:
        UsageError: there is no store, it has no board of the suite, or the page names a table that it has not.
    """
    with Store(database, create=False) as store:
        with Session(store.engine) as session:
            stored = set(session.scalars(select(RunRow.suite)))
        known = {suite for suite in stored if suite in {*BUDGETS.values(), BFLOAT16} or suite.startswith(AUDITED)}
        boards = {suite: read_board(store.engine, suite) for suite in {SUITE, *known}}
    other = None
    if processor is not None:
        with Store(processor, create=False) as store:
            other = read_board(store.engine, SUITE)
    page.write_text(updated(page.read_text(encoding="utf-8"), tables_of(boards, other)), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="SQLAlchemy URL or SQLite file")
    parser.add_argument("page", type=Path, help="the Markdown file with the blocks")
    parser.add_argument("--processor", help="store with trials of the suite on another processor")
    options = parser.parse_args()
    try:
        write_page(options.store, options.page, options.processor)
    except UsageError as error:
        sys.exit(f"digits: {printable(str(error))}")


if __name__ == "__main__":
    main()
