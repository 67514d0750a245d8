"""Run a stored trial again from its record alone, and hold what comes against what is stored. Nothing is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.evaluation.predictions import unpack
from unlearnbench.problems import datasets
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.tensors import load_verified
from unlearnbench.running.executors.local import local
from unlearnbench.running.originals import original, path_of
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.world import World
from unlearnbench.store.results import Recorded
from unlearnbench.store.results import record as stored_record
from unlearnbench.store.schema import Base, OriginalRow, PredictionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, discover
from unlearnbench.system import machine

RESULTS = (
    *("state", "reason", "weights_hash", "aggregate", "healed_train", "healed_discovered", "healed_undiscovered"),
    *("misled_discovered", "misled_undiscovered", "attack_success"),
    *("healed_test", "utility", "utility_train", "selection_score", "forward_samples", "backward_samples"),
)


@dataclass(frozen=True)
class Comparison:
    """One field of a record. `equal` is None where the two may differ: a time, the machine."""

    name: str
    stored: Any
    again: Any
    equal: bool | None


def rerun(store: Store, trial: str, submissions: Path, data: Path, *, download: bool = True) -> list[Comparison]:
    """Run the trial with this key, or the only one whose key begins so, as its record says.

    The original comes from the cache if it is there, else it is trained again for this alone.

    Raises:
        UsageError: no such trial; the source of its submission, its data or its kind of machine are not here.
        HarnessError: the harness failed.
    """
    record = stored_record(store.engine, trial)
    _refuse_another_machine(record)
    suite = validated(Suite, record.run.suite_specification, f"the suite of trial {record.trial.key[:12]}")
    dataset = datasets.load(
        suite.dataset,
        data,
        image_size=suite.image_size,
        train_size=suite.train_size,
        test_size=suite.test_size,
        download=download,
    )
    fingerprint = record.problem.specification["data_fingerprint"]
    if dataset.fingerprint != fingerprint:
        raise UsageError(
            f"trial {record.trial.key[:12]} was run on data with fingerprint {fingerprint[:12]}, but '{suite.dataset}'"
            f" has {dataset.fingerprint[:12]} here: bring back the data that it was run on"
        )
    planned = _planned(record, suite, dataset, _submission(record, submissions))
    with local(suite, cast(Isolation, record.trial.isolation), 1) as executor:
        world = World(
            suite,
            dataset,
            planned.problem,
            planned.original,
            planned.seeds,
            record.trial.precision,
            record.trial.device,
            executor.folder,
        )
        cache = data.resolve() / "originals"
        if load_verified(path_of(cache, planned.original_key)) is None:
            cache = executor.folder / "originals"
        start = original(world, planned.original_key, cache, executor)
        if start is None:
            raise HarnessError("another harness trains this original right now: try again when it is done")
        rows = executor.trial(planned, world, path_of(cache, planned.original_key), record.run.id)
    return list(_comparisons(record, start, world.training_fingerprint, rows))


def _refuse_another_machine(record: Recorded) -> None:
    trial, name = record.trial, f"trial {record.trial.key[:12]}"
    if trial.protocol_version != PROTOCOL_VERSION:
        raise UsageError(
            f"{name} was run by protocol {trial.protocol_version}, this version runs {PROTOCOL_VERSION}:"
            " use the version of unlearnbench that ran it"
        )
    if trial.device == "cuda" and machine.device() != "cuda":
        raise UsageError(f"{name} was run on a GPU, and this machine has none: run it again where there is one")
    chosen = record.run.suite_specification["precision"]
    if trial.precision != machine.precision(chosen, trial.device) and trial.precision == "bfloat16":
        raise UsageError(
            f"{name} was run in bfloat16, which this machine does not multiply itself: run it again on one that does"
        )


def _submission(record: Recorded, folder: Path) -> Submission:
    """The variant that the record names, with the hyperparameters that are stored (a try of a tuning is in no file)."""
    row = record.submission
    found = [item for item in discover(folder) if item.name == row.name]
    if not found:
        raise UsageError(f"the submission '{row.name}' of trial {record.trial.key[:12]} is not in {folder}")
    if found[0].source_hash != row.source_hash:
        raise UsageError(
            f"the source of submission '{row.name}' has changed since trial {record.trial.key[:12]} was run (hash"
            f" {row.source_hash[:12]}, now {found[0].source_hash[:12]}): bring back the source that it was run with"
        )
    return replace(found[0], variant=row.variant, hyperparameters=row.hyperparameters)


def _planned(record: Recorded, suite: Suite, dataset: datasets.Dataset, submission: Submission) -> PlannedTrial:
    trial = record.trial
    trials = plan(
        suite,
        dataset,
        [submission],
        precision=trial.precision,
        device=trial.device,
        isolation=cast(Isolation, trial.isolation),
    )
    for planned in trials:
        if planned.key == trial.key:
            return planned
    raise UsageError(
        f"this version of unlearnbench gives trial {trial.key[:12]} another key: the `entry` or `needs` of submission"
        f" '{submission.name}' have changed, or what a key is made of: bring back those it was run with"
    )


def _comparisons(record: Recorded, start: OriginalRow, fingerprint: str, rows: list[Base]) -> Iterator[Comparison]:
    again, predictions = rows[0], (rows[1] if len(rows) > 1 else None)
    assert isinstance(again, TrialRow)
    pairs = {
        "training_fingerprint": (record.problem.training_fingerprint, fingerprint),
        "original weights_hash": (record.original.weights_hash, start.weights_hash),
        **{name: (getattr(record.trial, name), getattr(again, name)) for name in RESULTS},
        "predictions": (_content(record.predictions), _content(cast(PredictionRow | None, predictions))),
    }
    for name, (stored, now) in pairs.items():
        yield Comparison(name, stored, now, stored == now)
    yield Comparison("seconds", record.trial.seconds, again.seconds, None)
    here = machine.versions() | {"processor": machine.hardware(again.device)["processor"]}
    there = record.run.versions | {"processor": record.run.hardware["processor"]}
    for name in here:
        yield Comparison(name, there.get(name), here[name], None)


def _content(row: PredictionRow | None) -> str | None:
    """Hash of the predicted classes of every sample."""
    if row is None:
        return None
    digest = hashlib.sha256()
    for packed in (row.train, row.test, row.triggered_test):
        digest.update(b"none" if packed is None else unpack(packed).tobytes())
    return digest.hexdigest()
