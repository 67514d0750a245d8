"""The tables of the first release. Earlier versions were never released."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = None

KEY = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("suite", sa.String(200), nullable=False, index=True),
        sa.Column("suite_specification", sa.JSON, nullable=False),
        sa.Column("data_fingerprint", KEY, nullable=False),
        sa.Column("protocol_version", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("finished_at", sa.DateTime),
        sa.Column("versions", sa.JSON, nullable=False),
        sa.Column("hardware", sa.JSON, nullable=False),
        sa.Column("precision", sa.String(20), nullable=False),
        sa.Column("isolation", sa.String(20), nullable=False),
        sa.Column("workers", sa.Integer, nullable=False),
        sa.Column("revision", sa.String(80)),
    )
    op.create_table(
        "problems",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("specification", sa.JSON, nullable=False),
        sa.Column("dataset", sa.String(200), nullable=False),
        sa.Column("corruption", sa.String(40), nullable=False),
        sa.Column("regularity", sa.String(10), nullable=False, index=True),
        sa.Column("discovery_rate", sa.Double, nullable=False),
        sa.Column("corruption_seed", sa.BigInteger, nullable=False),
        sa.Column("corrupted", sa.Integer, nullable=False),
        sa.Column("discovered", sa.Integer, nullable=False),
        sa.Column("training_fingerprint", KEY, nullable=False),
    )
    op.create_table(
        "originals",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("specification", sa.JSON, nullable=False),
        sa.Column("capacity", sa.Double, nullable=False),
        sa.Column("training", sa.String(20), nullable=False),
        sa.Column("training_seed", sa.BigInteger, nullable=False),
        sa.Column("precision", sa.String(20), nullable=False),
        sa.Column("weights_hash", KEY, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("memorised", sa.Double, nullable=False),
        sa.Column("absorbed", sa.Boolean, nullable=False),
        sa.Column("healed_train", sa.Double, nullable=False),
        sa.Column("healed_test", sa.Double, nullable=False),
        sa.Column("utility", sa.Double, nullable=False),
        sa.Column("utility_train", sa.Double, nullable=False),
    )
    op.create_table(
        "submissions",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, index=True),
        sa.Column("variant", sa.String(100), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("authors", sa.JSON, nullable=False),
        sa.Column("paper", sa.String, nullable=False),
        sa.Column("license", sa.String(100), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("needs_corrupted_indices", sa.Boolean, nullable=False),
        sa.Column("hyperparameters", sa.JSON, nullable=False),
        sa.Column("source_hash", KEY, nullable=False),
    )
    op.create_table(
        "trials",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("run_id", KEY, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("problem_key", KEY, sa.ForeignKey("problems.key"), nullable=False, index=True),
        sa.Column("original_key", KEY, sa.ForeignKey("originals.key"), nullable=False),
        sa.Column("original_weights_hash", KEY, nullable=False),
        sa.Column("submission_key", KEY, sa.ForeignKey("submissions.key"), nullable=False, index=True),
        sa.Column("training_seed", sa.BigInteger, nullable=False),
        sa.Column("unlearning_seed", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("detail", sa.Text),
        sa.Column("healed_train", sa.Double),
        sa.Column("healed_discovered", sa.Double),
        sa.Column("healed_undiscovered", sa.Double),
        sa.Column("misled_discovered", sa.Double),
        sa.Column("misled_undiscovered", sa.Double),
        sa.Column("attack_success", sa.Double),
        sa.Column("healed_test", sa.Double),
        sa.Column("utility", sa.Double),
        sa.Column("utility_train", sa.Double),
        sa.Column("aggregate", sa.Double),
        sa.Column("selection_score", sa.Double),
        sa.Column("seconds", sa.Double),
        sa.Column("processor_seconds", sa.Double),
        sa.Column("forward_samples", sa.BigInteger),
        sa.Column("backward_samples", sa.BigInteger),
        sa.Column("evaluation_seconds", sa.Double),
        sa.Column("total_seconds", sa.Double, nullable=False),
        sa.Column("weights_hash", KEY),
        sa.Column("device", sa.String(100), nullable=False),
        sa.Column("precision", sa.String(20), nullable=False),
        sa.Column("threads", sa.Integer, nullable=False),
        sa.Column("isolation", sa.String(20), nullable=False),
        sa.Column("protocol_version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "planned_trials",
        sa.Column("run_id", KEY, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("trial_key", KEY, primary_key=True, index=True),
        sa.Column("problem_key", KEY, sa.ForeignKey("problems.key"), nullable=False),
        sa.Column("submission_key", KEY, sa.ForeignKey("submissions.key"), nullable=False, index=True),
        sa.Column("original_key", KEY, nullable=False),
        sa.Column("training_seed", sa.BigInteger, nullable=False),
        sa.Column("unlearning_seed", sa.BigInteger, nullable=False),
        sa.Column("capacity", sa.Double, nullable=False),
        sa.Column("training", sa.String(20), nullable=False),
    )
    op.create_table(
        "claims",
        sa.Column("trial_key", KEY, primary_key=True),
        sa.Column("run_id", KEY, sa.ForeignKey("runs.id"), nullable=False, index=True),
        sa.Column("process", sa.String(200), nullable=False),
        sa.Column("beat", sa.Integer, nullable=False),
    )
    op.create_table(
        "predictions",
        sa.Column("trial_key", KEY, sa.ForeignKey("trials.key"), primary_key=True),
        sa.Column("train", sa.LargeBinary, nullable=False),
        sa.Column("test", sa.LargeBinary, nullable=False),
        sa.Column("triggered_test", sa.LargeBinary),
    )
