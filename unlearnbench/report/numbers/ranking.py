"""The ranking: one row per method, with intervals over seeds and intervals of ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS, rank_intervals
from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.budget import budget_shares
from unlearnbench.report.numbers.current import preference
from unlearnbench.report.numbers.scores import SHARES, Scores, scores_of
from unlearnbench.report.numbers.totals import REFERENCE, RETRAIN, totals_of
from unlearnbench.report.wording import in_order
from unlearnbench.store.labels import METHOD, original_names, variant_names

DEFAULT = "default"


def ranking(frame: pd.DataFrame, variants: Sequence[str] = ("default",)) -> pd.DataFrame:
    """`ranking_of` a board's frame, or part of one, without the column `budget`."""
    return _ranking(totals_of(frame), variants)


def ranking_of(totals: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """The ranking of a board's totals, or of part of them, one row per method.

    Columns:
        method, title, role, submission, variant, capacity, training: the method.
        starts_from: the kind of original in words.
        seeds: number of whole seeds.
        NAME, NAME_low, NAME_high, NAME_seeds, NAME_constant: for each of `scores.SHARES`, the mean in percent, the ends
            of its interval, a tuple of the seeds' values, and whether these are all equal.
        best, worst: the interval of its rank; missing with fewer than eight seeds.
        seconds, processor_seconds: mean times; cost: processor time as a share of retraining's on the same kind of
            original, over the seeds that both have; budget: samples in backward passes as a multiple of the suite's
            budget, see `budget_shares`.
        trials, failed: counts over whole seeds; missing: over all seeds; beyond: trials beyond the oracle.
        ranked: whether the row competes: per submission, one variant on each kind of original, see `_competing`.
        untuned: whether it competes with its defaults, for want of a tuned variant, beside tuned variants of others on
            a suite that ranks these.
        unpaired: number of rivals on too few common originals for a paired comparison.

    Rows are sorted by kind of original, the suite's first kind first; then ranked rows, other variants, references;
    then by mean.
    """
    table = _ranking(totals, suite.variants)
    return table.assign(budget=table["method"].map(budget_shares(totals, suite)))


def _ranking(totals: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    scores = scores_of(totals)
    whole = totals["whole"]
    counts = totals.assign(
        trials=totals["trials"].where(whole, 0),
        failed=totals["failed"].where(whole, 0),
        missing=totals["trials"] - totals["recorded"],
    )
    counts = counts.groupby("method")[["trials", "failed", "missing", "beyond"]].sum()
    facts = _methods(totals)
    numbers = pd.DataFrame([_row(scores, method) for method in scores.methods], index=scores.methods)
    table = (
        facts.assign(starts_from=original_names(facts))
        .join([numbers, counts])
        .assign(cost=_costs(facts, scores, RETRAIN))
    )
    table = table.rename_axis("method").reset_index()
    table["ranked"] = _competing(table, variants)
    tuned = table["variant"].isin(set(variants) - {DEFAULT})
    has = table["submission"].isin(table.loc[tuned, "submission"])
    wanted = ranks_tuned(variants) and bool((table["ranked"] & tuned).any())
    table["untuned"] = table["ranked"] & (table["variant"] == DEFAULT) & ~has & wanted
    table = _with_ranks(table, scores)
    order = table.assign(
        kind=table["starts_from"].where(table["method"] != variant_names(table), ""),
        reference=table["role"] == REFERENCE,
        beside=~table["ranked"],
    ).sort_values(["kind", "reference", "beside", "aggregate", "method"], ascending=[True, True, True, False, True])
    return table.loc[order.index].reset_index(drop=True)


def _methods(totals: pd.DataFrame) -> pd.DataFrame:
    """Title, role and identity of each method, by label."""
    return totals.drop_duplicates("method").set_index("method")[["title", "role", *METHOD]].sort_index()


def costs_of(totals: pd.DataFrame, baseline: str = RETRAIN) -> pd.Series[float]:
    """The mean processor time of each method as a share of the `baseline` method's on the same kind of original."""
    return _costs(_methods(totals), scores_of(totals), baseline)


def _costs(methods: pd.DataFrame, scores: Scores, baseline: str) -> pd.Series[float]:
    """Over the seeds that both have: other seeds may be of a machine with another speed."""
    seconds = dict(zip(scores.methods, scores.values["processor_seconds"], strict=True))
    kinds = pd.Series(methods[["capacity", "training"]].itertuples(index=False, name=None), index=methods.index)
    units = {kinds[name]: seconds[str(name)] for name in methods.index[methods["submission"] == baseline][::-1]}

    def cost(name: str) -> float:
        unit = units.get(kinds[name])
        if unit is None:
            return float("nan")
        both = ~np.isnan(seconds[name]) & ~np.isnan(unit)
        return float(seconds[name][both].mean() / unit[both].mean()) if both.any() else float("nan")

    return pd.Series({name: cost(name) for name in scores.methods}, dtype="float64")


def ranking_by_corruption(totals: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """The rankings on each corruption, most regular first, in one table with a column `corruption`."""
    parts = [
        ranking_of(totals[totals["corruption"] == name], suite).assign(corruption=name)
        for name in in_order(totals["corruption"])
    ]
    return pd.concat(parts, ignore_index=True)


def _row(scores: Scores, method: str) -> dict[str, object]:
    place = scores.methods.index(method)
    row: dict[str, object] = {"seeds": int((scores.originals[place] >= 0).sum())}
    for metric in SHARES:
        found = scores.estimate(metric, method)
        row |= {metric: 100 * found.value, f"{metric}_low": 100 * found.low, f"{metric}_high": 100 * found.high}
        values = 100 * scores.values[metric][place]
        row |= {f"{metric}_seeds": tuple(values[~np.isnan(values)].tolist()), f"{metric}_constant": found.constant}
    for metric in ("seconds", "processor_seconds"):
        row[metric] = scores.estimate(metric, method).value
    return row


def _competing(table: pd.DataFrame, variants: Sequence[str]) -> pd.Series[bool]:
    """Whether each row competes: of a method's variants the first one in `variants`, else `default`, else any.

    A variant with fewer whole seeds than the default does not take its place: it has only begun to run.
    """
    kind = ["submission", "starts_from"]
    of_default = table[table["variant"] == DEFAULT].set_index(kind)["seeds"].rename("needed")
    place = table["variant"].map(lambda name: preference(name, variants))
    able = table.assign(place=place).join(of_default, on=kind)
    able = able[(able["role"] != REFERENCE) & ~(able["seeds"] < able["needed"])]
    first = able.sort_values("place", kind="stable").drop_duplicates(kind).index
    return pd.Series(table.index.isin(first), index=table.index)


def ranks_tuned(variants: Sequence[str]) -> bool:
    """Whether a suite with these `variants` ranks tuned variants, and not defaults."""
    return bool(variants) and variants[0] != DEFAULT


def _with_ranks(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Add the rank intervals of competing rows with at least eight seeds, by kind of original."""
    best, worst = (pd.Series(pd.NA, index=table.index, dtype="Int64") for _ in range(2))
    unpaired: dict[str, int] = {}
    competing = table[table["ranked"] & (table["seeds"] >= FEWEST_FOR_RANKS)]
    for _, group in competing.groupby("starts_from"):
        rows = [scores.methods.index(name) for name in group["method"]]
        found = rank_intervals(scores.values["aggregate"][rows], scores.originals[rows])
        best[group.index], worst[group.index] = zip(*found, strict=True)
        unpaired |= dict(zip(group["method"], scores.unpaired(group["method"].tolist()), strict=True))
    counts = [unpaired.get(name, 0) for name in table["method"]]
    return table.assign(best=best, worst=worst, unpaired=counts)
