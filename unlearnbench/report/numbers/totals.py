"""A board summed by method, seed and corruption: what every mean, interval, difference and rank is made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unlearnbench.store.labels import METHOD
from unlearnbench.store.trials import SCORES

RETRAIN = "retrain"
"""The submission whose time is the unit of cost."""

ORACLE = "oracle"
"""The submission whose healing no method should pass."""

REFERENCE = "reference"
"""The role of a submission that is shown outside the ranking."""

BEYOND = 3.0
"""Binomial standard errors over the oracle's healing from which on a trial is flagged."""

COUNTS = ["trials", "recorded", "failed", "beyond"]
GROUP = ["method", "seed", "corruption"]


def scored(frame: pd.DataFrame, metric: str) -> pd.Series[float]:
    """The metric of each trial that counts: in the aggregate a failed trial is 0, elsewhere it is left out."""
    values = frame[metric]
    if metric == "aggregate":
        values = values.mask(frame["state"] == "failed", 0.0)
    return values[frame["state"] != "missing"].dropna()


def totals_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials of a board's frame, or of a part of one, as one row for each method, seed and corruption.

    Columns, beside what a method and a seed are, and `whole`:
        trials, recorded, failed, beyond: numbers of trials, of those with a record, of failed ones, and of those that
            heal more than the oracle.
        started: checksums of the originals that the trials started from.
        NAME, NAME_count, for each of `SCORES`: the sum of the metric over the places that have it (a failed trial is 0
            in `aggregate`), and how many they are. A trial without a forget set is in every column of its row of the
            map: it counts there, and is one trial.
    """
    rows = frame.assign(
        trials=~frame["again"],
        recorded=~frame["again"] & (frame["state"] != "missing"),
        failed=~frame["again"] & (frame["state"] == "failed"),
        **{metric: scored(frame, metric) for metric in SCORES},
    )
    groups = rows.groupby(GROUP, sort=False)
    sums = groups[["trials", "recorded", "failed", *SCORES]].sum()
    counts = groups[list(SCORES)].count().add_suffix("_count")
    weights = rows[[*GROUP, "original_weights_hash"]].dropna().drop_duplicates().sort_values("original_weights_hash")
    started = weights.groupby(GROUP)["original_weights_hash"].agg(" ".join).rename("started")
    beyond = beyond_oracle(frame).groupby(GROUP).size().rename("beyond")
    of_group = [*METHOD, "title", "role", "corruption_seed", "training_seed", "whole"]
    facts = rows.drop_duplicates(GROUP).set_index(GROUP)[of_group]
    totals = facts.join([sums, counts, started, beyond]).reset_index()
    return totals.fillna({"beyond": 0, "started": ""}).astype(dict.fromkeys(COUNTS, "int64"))


def incomplete(totals: pd.DataFrame) -> pd.DataFrame:
    """The seeds that do not count: method, seed, and how many of their trials have a record."""
    groups = totals[~totals["whole"]].groupby(["method", "seed"], sort=False)
    return groups[["recorded", "trials"]].sum().reset_index()


def beyond_oracle(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that heal more than `oracle` on the same corrupted set by over three binomial standard errors.

    A reason to read the code: nobody knows more than the oracle. `oracle_healed` is what the oracle heals. Without the
    margin a few trials in a thousand would be among them by one sample.
    """
    return beyond(frame, bars(frame))


def bars(frame: pd.DataFrame) -> pd.DataFrame:
    """What `oracle` heals on each corrupted set (`oracle_healed`), and from where on a trial is beyond it (`bar`)."""
    oracle = frame[(frame["submission"] == ORACLE) & (frame["state"] == "finished")]
    # The oracle on the standard original of each capacity: nothing of an original is left in it.
    same = oracle.groupby(["corruption", "seed", "discovery_rate", "capacity"])
    table = same.agg(oracle_healed=("healed_train", "max"), size=("corrupted", "first")).reset_index()
    healed = table["oracle_healed"].astype("float64")
    error = np.sqrt(healed * (1 - healed) / table.pop("size").astype("float64"))
    return table.assign(bar=healed + BEYOND * error)


def beyond(frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The trials of a frame that are over these `bars`."""
    trials = frame[(frame["state"] == "finished") & ~frame["again"] & (frame["role"] != REFERENCE)]
    rows = trials.merge(table, on=["corruption", "seed", "discovery_rate", "capacity"])
    return rows[rows["healed_train"] > rows["bar"]].drop(columns="bar")
