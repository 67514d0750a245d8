"""Totals of a board by method, seed and corruption, from which means, intervals, differences and ranks are computed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from unlearnbench.store.labels import METHOD
from unlearnbench.store.trials import SUMS

RETRAIN = "retrain"
"""The submission whose processor time is the unit of cost."""

ORACLE = "oracle"
"""The submission that no method should surpass in healing."""

REFERENCE = "reference"
"""The role of a submission that is shown outside the ranking."""

BEYOND = 3.0
"""Trials that heal more than the oracle by over this many binomial standard errors are flagged."""

COUNTS = ["trials", "recorded", "failed", "beyond"]
GROUP = ["method", "seed", "corruption"]


def scored(frame: pd.DataFrame, metric: str) -> pd.Series[float]:
    """A metric of recorded trials. A failed trial is 0 in the aggregate and left out of others."""
    values = frame[metric]
    if metric == "backward_samples":
        values = values.astype("float64").where(frame["state"] == "finished")
    if metric == "aggregate":
        values = values.mask(frame["state"] == "failed", 0.0)
    return values[frame["state"] != "missing"].dropna()


def totals_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum a board's frame, or part of one, to one row per method, seed and corruption.

    Columns, besides those of the method and the seed, and `whole`:
        trials, recorded, failed, beyond: numbers of trials: all, with a record, failed, and beyond the oracle.
        started: weights hashes of the originals, joined by spaces.
        NAME, NAME_count: for each of `SUMS`, the sum over the places with a value, and their number. A failed trial
            is 0 in `aggregate`; a trial without a forget set counts at every discovery rate.
    """
    rows = frame.assign(
        trials=~frame["again"],
        recorded=~frame["again"] & (frame["state"] != "missing"),
        failed=~frame["again"] & (frame["state"] == "failed"),
        **{metric: scored(frame, metric) for metric in SUMS},
    )
    groups = rows.groupby(GROUP, sort=False)
    sums = groups[["trials", "recorded", "failed", *SUMS]].sum()
    counts = groups[list(SUMS)].count().add_suffix("_count")
    weights = rows[[*GROUP, "original_weights_hash"]].dropna().drop_duplicates().sort_values("original_weights_hash")
    started = weights.groupby(GROUP)["original_weights_hash"].agg(" ".join).rename("started")
    beyond = beyond_oracle(frame).groupby(GROUP).size().rename("beyond")
    of_group = [*METHOD, "title", "role", "corruption_seed", "training_seed", "whole"]
    facts = rows.drop_duplicates(GROUP).set_index(GROUP)[of_group]
    totals = facts.join([sums, counts, started, beyond]).reset_index()
    return totals.fillna({"beyond": 0, "started": ""}).astype(dict.fromkeys(COUNTS, "int64"))


def incomplete(totals: pd.DataFrame) -> pd.DataFrame:
    """The seeds that do not count, with their numbers of trials and of records."""
    groups = totals[~totals["whole"]].groupby(["method", "seed"], sort=False)
    return groups[["recorded", "trials"]].sum().reset_index()


def beyond_oracle(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that heal more than `oracle` on the same corrupted set, by over `BEYOND` binomial standard errors.

    No method should know more than the oracle, so their code deserves a look. Without the margin, a few trials in a
    thousand would be flagged for a single sample. `oracle_healed` is what the oracle heals.
    """
    return beyond(frame, bars(frame))


def without_oracle(frame: pd.DataFrame) -> bool:
    """Whether some corrupted set of the board has no oracle, so that nothing is found to be beyond it."""
    place = ["corruption", "seed", "capacity"]
    ran = frame[(frame["submission"] == ORACLE) & (frame["state"] == "finished")]
    return not set(frame[place].itertuples(index=False)) <= set(ran[place].itertuples(index=False))


def bars(frame: pd.DataFrame) -> pd.DataFrame:
    """What `oracle` heals on each corrupted set (`oracle_healed`), and the limit of what others may heal (`bar`)."""
    oracle = frame[(frame["submission"] == ORACLE) & (frame["state"] == "finished")]
    # Whatever the original's training: the oracle keeps nothing of an original but its capacity.
    same = oracle.groupby(["corruption", "seed", "discovery_rate", "capacity"])
    table = same.agg(oracle_healed=("healed_train", "max"), size=("corrupted", "first")).reset_index()
    healed = table["oracle_healed"].astype("float64")
    error = np.sqrt(healed * (1 - healed) / table.pop("size").astype("float64"))
    return table.assign(bar=healed + BEYOND * error)


def beyond(frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The trials of a frame above these `bars`."""
    trials = frame[(frame["state"] == "finished") & ~frame["again"] & (frame["role"] != REFERENCE)]
    rows = trials.merge(table, on=["corruption", "seed", "discovery_rate", "capacity"])
    return rows[rows["healed_train"] > rows["bar"]].drop(columns="bar")


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that maps show: those of whole seeds, or all trials of a method without any."""
    return frame[frame["whole"] | ~frame.groupby("method")["whole"].transform("any")]
