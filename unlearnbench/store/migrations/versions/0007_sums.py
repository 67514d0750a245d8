"""Indexes for summing a ranking in the database: see `store.trials.read_sums`."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_index("ix_trials_submission_key", "trials")
    op.create_index(
        "ix_trials_sums",
        "trials",
        [
            *("submission_key", "original_key", "original_weights_hash", "unlearning_seed", "problem_key"),
            *("run_id", "isolation", "aggregate", "healed_train", "healed_undiscovered", "healed_test"),
            *("attack_success", "utility", "seconds", "processor_seconds"),
        ],
    )
    op.drop_index("ix_planned_trials_submission_key", "planned_trials")
    op.create_index("ix_planned_trials_kinds", "planned_trials", ["run_id", "submission_key", "capacity", "training"])
