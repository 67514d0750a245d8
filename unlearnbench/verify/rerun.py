"""Rerun a stored trial from its record and compare the two. Stores nothing."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.evaluation.predictions import unpack
from unlearnbench.problems import datasets
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.tensors import load_verified
from unlearnbench.running.executors.local import local
from unlearnbench.running.originals import obtain, path_of
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.rows import trial_rows
from unlearnbench.running.run import Progress
from unlearnbench.running.setup import Setup
from unlearnbench.store.results import Recorded
from unlearnbench.store.results import record as stored_record
from unlearnbench.store.schema import PredictionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.choosing import refuse_broken
from unlearnbench.submissions.environments import with_environments
from unlearnbench.submissions.finding import Submission, discover, packages
from unlearnbench.submissions.requirements import installed_versions
from unlearnbench.system import machine

RESULTS = (
    *("state", "reason", "weights_hash", "aggregate", "healed_train", "healed_discovered", "healed_undiscovered"),
    *("misled_discovered", "misled_undiscovered", "attack_success"),
    *("healed_test", "utility", "utility_train", "selection_score", "forward_samples", "backward_samples"),
)


@dataclass(frozen=True)
class Field:
    """One field of a record, stored and rerun. `equal` is None for fields that may differ: time, versions, machine."""

    name: str
    stored: Any
    again: Any
    equal: bool | None


def rerun(
    store: Store,
    trial: str,
    submissions: Sequence[Path],
    data: Path,
    *,
    isolation: Isolation | None = None,
    secrets: SecretSeeds | None = None,
    environments: Path | None = None,
    download: bool = True,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> list[Field]:
    """Rerun the trial whose key is, or uniquely starts with, `trial`.

    The original is taken from the cache, or trained again without caching it.

    Args:
        submissions: folders to look in.
        isolation: level to run it at, which affects no number; default: that of the record.
        secrets: the seeds of an audited suite.
        environments: folder of environments, as in `run_suite`.
        watch: called when an environment is built.

    Raises:
        UsageError: there is no such trial, or the source, data or kind of machine it was run with is not here.
        HarnessError: the harness failed.
    """
    record = stored_record(store.engine, trial)
    _refuse_another_machine(record)
    suite = validated(Suite, record.run.suite_specification, f"the suite of trial {record.trial.key[:12]}")
    dataset = datasets.load_for(suite, data, download=download)
    fingerprint = record.problem.specification["case"]["data_fingerprint"]
    if dataset.fingerprint != fingerprint:
        raise UsageError(
            f"trial {record.trial.key[:12]} was run on data with fingerprint {fingerprint[:12]}, but '{suite.dataset}'"
            f" has {dataset.fingerprint[:12]} here: restore the original data"
        )
    recorded = cast(Isolation, record.trial.isolation)
    setup = Setup(suite, record.trial.device, record.trial.precision, recorded)
    found = _submissions(record, submissions)
    if environments is not None:
        found = with_environments(
            found, environments, suite.model.architecture, lambda stage: watch(Progress(0, 0, 0, stage))
        )
    versions = packages(found)
    _refuse_other_packages(record, found[0])
    planned = _planned(record, setup, dataset, found, secrets)
    boundary = Boundary(isolation or recorded, private=[data, *submissions])
    with local(suite, [planned.submission], dataset, boundary, 1) as executor:
        executor = replace(executor, setup=setup)
        cache = data.resolve() / "originals"
        if load_verified(path_of(cache, planned.original.key)) is None:
            cache = executor.boundary.folder / "originals"
        start = obtain(planned.original, cache, executor)
        if start is None:
            raise HarnessError("another harness is training this original: try again when it is done")
        learnt, _ = start
        again = executor.trial(planned, path_of(cache, planned.original.key))
        fingerprint = executor.case(planned.problem.case).truth.fingerprint
    rows = trial_rows(planned, again, record.run.id, learnt.weights_hash, record.trial.created_at, setup)
    return list(_comparisons(record, fingerprint, versions, *rows))


def _refuse_another_machine(record: Recorded) -> None:
    trial, name = record.trial, f"trial {record.trial.key[:12]}"
    if trial.protocol_version != PROTOCOL_VERSION:
        raise UsageError(
            f"{name} was run with protocol {trial.protocol_version}, but this version has {PROTOCOL_VERSION}: use the"
            " version of unlearnbench that ran it"
        )
    if trial.device == "cuda" and machine.device() != "cuda":
        raise UsageError(f"{name} was run on a GPU, but this machine has none: use a machine with one")


def _submissions(record: Recorded, folders: Sequence[Path]) -> list[Submission]:
    """Each variant of the submission with the record's name and hyperparameters: a try of a tuning is in no file.

    A tuning gives a forget set to methods that need none, too.
    """
    row, there = record.submission, discover(*folders)
    found = [item for item in there if item.name == row.name]
    refuse_broken([row.name], there.broken)
    if not found:
        raise UsageError(
            f"submission '{row.name}' of trial {record.trial.key[:12]} is not in {' or '.join(map(str, folders))}:"
            " choose another folder"
        )
    if found[0].source_hash != row.source_hash:
        raise UsageError(
            f"the source of submission '{row.name}' has changed since trial {record.trial.key[:12]} was run (hash"
            f" {row.source_hash[:12]}, now {found[0].source_hash[:12]}): restore that source"
        )
    given = record.problem.discovery_rate > 0
    return [
        replace(
            item,
            variant=row.variant,
            hyperparameters=row.hyperparameters,
            needs_forget_set=item.needs_forget_set or given,
        )
        for item in found
    ]


def _refuse_other_packages(record: Recorded, submission: Submission) -> None:
    """Refuse other versions of required packages. Of an installed method, the code alone must be the same."""
    now = installed_versions(submission.name, submission.requires, submission.environment)
    stored = record.run.versions
    then = {name: stored.get(f"{submission.name}: {name}", stored.get(name, found)) for name, found in now.items()}
    other = {name: version for name, version in then.items() if version != now[name]}
    if not other:
        return
    if submission.environment is None:
        advice = f"install it with `{sys.executable} -m pip install"
        advice += f" {' '.join(f'{name}=={version}' for name, version in other.items())}`"
    else:
        advice = (
            f"name it in `requires` of submission.toml: {[f'{name}=={version}' for name, version in other.items()]}"
        )
    raise UsageError(
        f"trial {record.trial.key[:12]} was run with"
        f" {', '.join(f'{name} {version}, but {now[name]} is installed' for name, version in other.items())}: {advice}"
    )


def _planned(
    record: Recorded,
    setup: Setup,
    dataset: datasets.Dataset,
    submissions: list[Submission],
    secrets: SecretSeeds | None,
) -> PlannedTrial:
    """Plan the trial again: one of these submissions gives its key."""
    trial = record.trial
    trials = plan(setup, dataset, submissions, secrets=secrets)
    for planned in trials:
        if planned.key == trial.key:
            return planned
    raise UsageError(
        f"trial {trial.key[:12]} now has another key, because `entry`, `needs` or `requires` of submission"
        f" '{record.submission.name}' or the definition of keys has changed: restore those that it was run with"
    )


def _comparisons(
    record: Recorded,
    fingerprint: str,
    versions: dict[str, str],
    again: TrialRow,
    predictions: PredictionRow | None,
) -> Iterator[Field]:
    pairs = {
        "training_fingerprint": (record.problem.training_fingerprint, fingerprint),
        "original weights_hash": (record.trial.original_weights_hash, again.original_weights_hash),
        **{name: (getattr(record.trial, name), getattr(again, name)) for name in RESULTS},
        "predictions": (_content(record.predictions), _content(predictions)),
    }
    for name, (stored, now) in pairs.items():
        yield Field(name, stored, now, stored == now)
    yield Field("seconds", record.trial.seconds, again.seconds, None)
    here = machine.versions() | versions | {"processor": machine.hardware(again.device)["processor"]}
    there = record.run.versions | {"processor": record.run.hardware["processor"]}
    for name in here:
        yield Field(name, there.get(name), here[name], None)


def _content(row: PredictionRow | None) -> str | None:
    """SHA-256 of the predicted classes of all samples."""
    if row is None:
        return None
    digest = hashlib.sha256()
    for packed in (row.train, row.test, row.triggered_test):
        digest.update(b"none" if packed is None else unpack(packed).tobytes())
    return digest.hexdigest()
