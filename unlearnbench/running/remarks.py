"""What a run says of its suite and its originals, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from unlearnbench.errors import UsageError
from unlearnbench.problems import suite_file
from unlearnbench.problems.identity import apart
from unlearnbench.problems.suite import Suite
from unlearnbench.running.originals import OriginalRecord
from unlearnbench.running.plan import PlannedOriginal
from unlearnbench.store.results import suite_specifications
from unlearnbench.store.row_types import check_sendable
from unlearnbench.store.schema import OriginalRow, RunRow, SubmissionRow
from unlearnbench.store.store import Store


def other_grids(store: Store, suite: Suite) -> list[str]:
    """Warnings about runs in the store of another grid under the suite's name, such as that of a copied file.

    None about a stage of tuning: the stages share a name, and no table ranks their trials together.
    """
    if set(suite.seeds) <= set(suite.tuning.seeds):
        return []
    found = []
    for table in suite_specifications(store.engine, suite.name):
        with suppress(UsageError):  # what this version cannot read is stale in any case
            if axes := apart(suite, suite_file.stored(table)):
                found.append(
                    f"the store has runs of suite '{suite.name}' with {', '.join(axes)}: give one of the two suites"
                    " another name, or their records are ranked together"
                )
    return found


def refuse_another(original: PlannedOriginal, learnt: OriginalRecord, stored: OriginalRow | None) -> None:
    """Check that all trials of a seed start from the same original, also across machines.

    Raises:
        UsageError: the store has an original with this key but other weights.
    """
    if stored is not None and stored.weights_hash != learnt.weights_hash:
        raise UsageError(
            f"{original.label} has other weights here ({learnt.weights_hash[:12]}) than in the store"
            f" ({stored.weights_hash[:12]}), since processors and versions round differently: run other seeds here"
            " (--seed), import the stored originals (`unlearnbench originals import`), or use another database"
        )


def under_way(samples: int, total: int, batch_size: int, seconds: float) -> str:
    """How far originals are in training, all together: what they were trained on in these seconds, and will be in all.

    The total is in whole batches, so at the end some samples may be missing.
    """
    time_left = timedelta(seconds=round(max(0, total - samples) * seconds / samples))
    steps = f"step {samples // batch_size:,} of {total // batch_size:,}"
    return f"{steps}, {samples / seconds:,.0f} images/s, {time_left} left"


def not_absorbed(original: PlannedOriginal, learnt: OriginalRecord) -> str:
    return (
        f"{original.label} did not absorb its corruption ({learnt.memorised:.0%} memorised, healed test"
        f" {learnt.metrics.healed_test:.0%}): its cells measure little"
    )


def refuse_unsendable(run: RunRow, submissions: Iterable[SubmissionRow]) -> None:
    """Refuse a run whose rows nobody else could load.

    Raises:
        UsageError: the suite or a submission has such a text or number.
    """
    check_sendable(run, f"suite '{run.suite}'")
    for row in submissions:
        check_sendable(row, f"submission '{row.name}'")
