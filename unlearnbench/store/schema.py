"""The tables. Except for runs, a key is a hash of what identifies the row, so stores can be merged.

    runs ─< planned_trials >─ trials ─ predictions
                 │               │
             submissions     problems, originals

A run plans trials and runs those not stored yet, so a trial belongs to every run that planned it. Times are in UTC.
Accuracies are shares in [0, 1]. Rows that were merged or loaded come from an origin: see `store.origins`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = 10
"""The last revision in `migrations/versions`. Every change of the tables adds one."""

Key = String(64)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {dict[str, Any]: JSON, list[str]: JSON, float: Double}


class RunRow(Base):
    """One call of `run`: its suite, settings, software and machine."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    suite: Mapped[str] = mapped_column(String(200), index=True)
    suite_specification: Mapped[dict[str, Any]]
    """The whole suite, even if only part of its grid was run."""
    data_fingerprint: Mapped[str] = mapped_column(Key)
    """Fingerprint of the clean data set."""
    protocol_version: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    versions: Mapped[dict[str, Any]]
    hardware: Mapped[dict[str, Any]]
    precision: Mapped[str] = mapped_column(String(20))
    isolation: Mapped[str] = mapped_column(String(20))
    workers: Mapped[int]
    revision: Mapped[str | None] = mapped_column(String(80))
    """Revision of the harness's source; None outside a checkout."""


class ProblemRow(Base):
    """One problem: its specification and the fingerprint of D_tr, the corrupted training set."""

    __tablename__ = "problems"
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    specification: Mapped[dict[str, Any]]
    dataset: Mapped[str] = mapped_column(String(200))
    corruption: Mapped[str] = mapped_column(String(40))
    regularity: Mapped[str] = mapped_column(String(10), index=True)
    discovery_rate: Mapped[float]
    corruption_seed: Mapped[int] = mapped_column(BigInteger)
    corrupted: Mapped[int]
    discovered: Mapped[int]
    training_fingerprint: Mapped[str] = mapped_column(Key)


class OriginalRow(Base):
    """One original model and its metrics."""

    __tablename__ = "originals"
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    specification: Mapped[dict[str, Any]]
    capacity: Mapped[float]
    training: Mapped[str] = mapped_column(String(20))
    training_seed: Mapped[int] = mapped_column(BigInteger)
    precision: Mapped[str] = mapped_column(String(20))
    weights_hash: Mapped[str] = mapped_column(Key)
    seconds: Mapped[float]
    """Training time."""
    memorised: Mapped[float]
    """Share of the corrupted samples that the original classifies as their wrong label."""
    absorbed: Mapped[bool]
    """Whether the original learnt the corruption; if not, repairing it measures little."""
    healed_train: Mapped[float]
    healed_test: Mapped[float]
    utility: Mapped[float]
    utility_train: Mapped[float]


class SubmissionRow(Base):
    """One variant of a submission with one version of its source."""

    __tablename__ = "submissions"
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), index=True)
    variant: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(200))
    authors: Mapped[list[str]]
    paper: Mapped[str]
    license: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20))
    """`ranked`, or `reference` if shown outside the ranking."""
    needs_corrupted_indices: Mapped[bool]
    hyperparameters: Mapped[dict[str, Any]]
    source_hash: Mapped[str] = mapped_column(Key)


class TrialRow(Base):
    """One record: a method on a problem and an original. Metrics of a failed trial are None."""

    __tablename__ = "trials"
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    problem_key: Mapped[str] = mapped_column(ForeignKey("problems.key"), index=True)
    original_key: Mapped[str] = mapped_column(ForeignKey("originals.key"))
    original_weights_hash: Mapped[str] = mapped_column(Key)
    """Hash of the weights that it started from. Two records are a pair only if these are equal."""
    submission_key: Mapped[str] = mapped_column(ForeignKey("submissions.key"))
    training_seed: Mapped[int] = mapped_column(BigInteger)
    unlearning_seed: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(10))
    """`finished` or `failed`."""
    reason: Mapped[str | None]
    detail: Mapped[str | None] = mapped_column(Text)
    """End of the traceback of a failed trial, and of what the trial printed."""
    earlier: Mapped[str | None] = mapped_column(Text)
    """Failures before the trial was run again: when and in which run each was recorded, its reason and its detail."""
    healed_train: Mapped[float | None]
    healed_discovered: Mapped[float | None]
    healed_undiscovered: Mapped[float | None]
    """None also if everything was discovered."""
    misled_discovered: Mapped[float | None]
    misled_undiscovered: Mapped[float | None]
    attack_success: Mapped[float | None]
    """These three are None also if there is nothing to measure them on: see `evaluation.metrics`."""
    healed_test: Mapped[float | None]
    utility: Mapped[float | None]
    utility_train: Mapped[float | None]
    aggregate: Mapped[float | None]
    """healed_train x utility."""
    selection_score: Mapped[float | None]
    """Acc(D_r) (1 - max(Acc(D_f), gamma)) against the labels of D_tr; needs no clean data."""
    seconds: Mapped[float | None]
    """Wall-clock time of importing the submission and in `unlearn`; None if it never began."""
    processor_seconds: Mapped[float | None]
    """Processor time of all processes of the trial, including the import of the submission."""
    forward_samples: Mapped[int | None] = mapped_column(BigInteger)
    backward_samples: Mapped[int | None] = mapped_column(BigInteger)
    evaluation_seconds: Mapped[float | None]
    total_seconds: Mapped[float]
    """Wall-clock time from the request for a process to the record."""
    weights_hash: Mapped[str | None] = mapped_column(Key)
    device: Mapped[str] = mapped_column(String(100))
    precision: Mapped[str] = mapped_column(String(20))
    threads: Mapped[int]
    isolation: Mapped[str] = mapped_column(String(20))
    limits: Mapped[str] = mapped_column(String(20), server_default="counted")
    """How the limits of memory and processes were held: `counted` by the guardian, or `enforced` by the kernel."""
    protocol_version: Mapped[int]
    created_at: Mapped[datetime]

    # A covering index for `store.trials.read_sums`: all that a ranking reads, in the order of its groups.
    __table_args__ = (
        Index(
            "ix_trials_sums",
            *("submission_key", "original_key", "original_weights_hash", "unlearning_seed", "problem_key"),
            *("run_id", "isolation", "aggregate", "healed_train", "healed_undiscovered", "healed_test"),
            *("attack_success", "utility", "seconds", "processor_seconds", "backward_samples"),
        ),
    )


class PlannedTrialRow(Base):
    """A trial that a run planned, whether the run ran it or found it stored."""

    __tablename__ = "planned_trials"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    trial_key: Mapped[str] = mapped_column(Key, primary_key=True, index=True)
    problem_key: Mapped[str] = mapped_column(ForeignKey("problems.key"))
    submission_key: Mapped[str] = mapped_column(ForeignKey("submissions.key"))
    original_key: Mapped[str] = mapped_column(Key)
    training_seed: Mapped[int] = mapped_column(BigInteger)
    unlearning_seed: Mapped[int] = mapped_column(BigInteger)
    capacity: Mapped[float]
    """Active share of the channels of the original."""
    training: Mapped[str] = mapped_column(String(20))
    """How the original was trained: `standard` or `tied-dropout`."""

    __table_args__ = (Index("ix_planned_trials_kinds", "run_id", "submission_key", "capacity", "training"),)


class ClaimRow(Base):
    """A claim on a trial: see `store.claims`. It is deleted when the trial is stored."""

    __tablename__ = "claims"
    trial_key: Mapped[str] = mapped_column(Key, primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    process: Mapped[str] = mapped_column(String(200))
    """Process and machine of the harness: see `processes.identity`."""
    beat: Mapped[int]
    """Heartbeat: counts up while the harness lives."""


class PredictionRow(Base):
    """Predicted classes of all samples, packed as in `evaluation.predictions`, for recomputing metrics."""

    __tablename__ = "predictions"
    trial_key: Mapped[str] = mapped_column(ForeignKey("trials.key"), primary_key=True)
    train: Mapped[bytes] = mapped_column(LargeBinary)
    test: Mapped[bytes] = mapped_column(LargeBinary)
    triggered_test: Mapped[bytes | None] = mapped_column(LargeBinary)


class OriginRow(Base):
    """A file or store whose rows were added: see `store.origins`."""

    __tablename__ = "origins"
    id: Mapped[int] = mapped_column(primary_key=True)
    """Counts up: of two origins, the lower was added first."""
    name: Mapped[str] = mapped_column(String(200), index=True, unique=True)
    sha256: Mapped[str | None] = mapped_column(Key)
    """Of the file that was added last; None for a database server."""
    added_at: Mapped[datetime]
    verified: Mapped[bool]
    """Whether all metrics were recomputed from the predictions."""


class OriginEntryRow(Base):
    """A row of the results that came from an origin. A row without any was made here."""

    __tablename__ = "origin_entries"
    table_name: Mapped[str] = mapped_column(String(20), primary_key=True)
    key: Mapped[str] = mapped_column(String(130), primary_key=True)
    """The row's key; of a planned trial, run and trial with a slash between."""
    origin_id: Mapped[int] = mapped_column(ForeignKey("origins.id"), primary_key=True, index=True)


NOT_RESULTS = (ClaimRow.__tablename__, OriginRow.__tablename__, OriginEntryRow.__tablename__)
TABLES = [table for table in Base.metadata.sorted_tables if table.name not in NOT_RESULTS]
"""The tables of results, without claims and origins, in insertion order: each after those that it refers to."""
