"""Who is best, and how certain that is: one row a method, with intervals over seeds and intervals of ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS, rank_intervals
from unlearnbench.report.labels import in_order
from unlearnbench.report.numbers.frames import REFERENCE, RETRAIN, beyond_oracle
from unlearnbench.report.numbers.scores import SHARES, Scores, scores_of

METHOD = ["method", "submission", "variant", "title", "role", "stands_on", "capacity", "training"]


def ranking(frame: pd.DataFrame, variants: Sequence[str] = ("default",), *, baseline: str = RETRAIN) -> pd.DataFrame:
    """One row a method of a board's frame, accuracies in percent; the best first, references last.

    Columns, beside what a method is: `seeds`, how many whole ones count; each metric of `scores.SHARES` with the ends
    of its interval (`_low`, `_high`) and the seeds' own values (`_seeds`, a tuple); `best` and `worst`, the rank
    interval, missing of fewer than eight seeds; `seconds`, and `cost`, the mean processor time as a share of the
    `baseline` method's on the same kind of original; counts of trials of whole seeds, of `failed` ones, of trials that
    are `missing` from seeds that are not whole, and of those `beyond` the oracle; `unpaired`, with how many rivals it
    was compared so for its rank, for want of shared originals.

    Sorted by the mean. `ranked` says which rows compete: one row a method, the variant that `variants` names first,
    among those on the same kind of original. The suite's first kind comes first.
    """
    scores = scores_of(frame)
    table = frame[METHOD].drop_duplicates("method").set_index("method").loc[list(scores.methods)].reset_index()
    rows = [_row(scores, method) for method in scores.methods]
    table = pd.concat([table, pd.DataFrame(rows)], axis=1)
    trials = frame[~frame["again"]]
    counts = trials.assign(failed=(trials["state"] == "failed") & trials["whole"], missing=trials["state"] == "missing")
    counts = counts.groupby("method")[["whole", "failed", "missing"]].sum().rename(columns={"whole": "trials"})
    table = table.merge(counts.reset_index(), on="method")
    beyond = beyond_oracle(frame)["method"].value_counts()
    table["beyond"] = table["method"].map(beyond).fillna(0).astype(int)
    units = table[table["submission"] == baseline].groupby("stands_on")["processor_seconds"].first()
    table["cost"] = table["processor_seconds"] / table["stands_on"].map(units).astype(float)
    table["ranked"] = _competing(table, variants)
    table = _with_ranks(table, scores)
    other = table["method"].str.contains(" on ", regex=False)
    order = table.assign(
        kind=table["stands_on"].where(other, ""), reference=table["role"] == REFERENCE, beside=~table["ranked"]
    ).sort_values(["kind", "reference", "beside", "aggregate", "method"], ascending=[True, True, True, False, True])
    return table.loc[order.index].reset_index(drop=True)


def ranking_by_corruption(
    frame: pd.DataFrame, variants: Sequence[str] = ("default",), *, baseline: str = RETRAIN
) -> pd.DataFrame:
    """The ranking on each corruption, the most regular first, one below the other; `corruption` says which."""
    parts = [
        ranking(frame[frame["corruption"] == name], variants, baseline=baseline).assign(corruption=name)
        for name in in_order(frame["corruption"])
    ]
    return pd.concat(parts, ignore_index=True)


def _row(scores: Scores, method: str) -> dict[str, object]:
    place = scores.methods.index(method)
    row: dict[str, object] = {"seeds": int((scores.originals[place] != "").sum())}
    for metric in SHARES:
        found = scores.estimate(metric, method)
        row |= {metric: 100 * found.value, f"{metric}_low": 100 * found.low, f"{metric}_high": 100 * found.high}
        values = 100 * scores.values[metric][place]
        row |= {f"{metric}_seeds": tuple(values[~np.isnan(values)].tolist()), f"{metric}_constant": found.constant}
    for metric in ("seconds", "processor_seconds"):
        row[metric] = scores.estimate(metric, method).value
    return row


def _competing(table: pd.DataFrame, variants: Sequence[str]) -> pd.Series[bool]:
    """One row a method: of its variants the one that comes first in `variants`, then `default`, then any."""
    names = [*variants, "default"]
    place = table["variant"].map(lambda name: names.index(name) if name in names else len(names))
    chosen = table.assign(place=place)[table["role"] != REFERENCE].sort_values(["place", "variant"])
    first = chosen.drop_duplicates(["submission", "stands_on"]).index
    return pd.Series(table.index.isin(first), index=table.index)


def _with_ranks(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """The rank intervals of what competes, for each kind of original; a method of fewer than eight seeds has none."""
    best, worst = (pd.Series(pd.NA, index=table.index, dtype="Int64") for _ in range(2))
    unpaired: dict[str, int] = {}
    competing = table[table["ranked"] & (table["seeds"] >= FEWEST_FOR_RANKS)]
    for _, group in competing.groupby("stands_on"):
        rows = [scores.methods.index(name) for name in group["method"]]
        found = rank_intervals(scores.values["aggregate"][rows], scores.originals[rows])
        best[group.index], worst[group.index] = zip(*found, strict=True)
        names = group["method"].tolist()
        unpaired |= {one: sum(not scores.is_pair(one, other) for other in names if other != one) for one in names}
    counts = [unpaired.get(name, 0) for name in table["method"]]
    return table.assign(best=best, worst=worst, unpaired=counts)
