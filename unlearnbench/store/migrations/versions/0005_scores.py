"""Indexes that hold all that a ranking reads, so that a million trials take seconds: see `report.scores`."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index(
        "ix_trials_scores",
        "trials",
        [
            *("submission_key", "key", "isolation", "training_seed", "unlearning_seed"),
            *("healed_train", "utility", "seconds"),
        ],
    )
    op.create_index(
        "ix_planned_trials_scores",
        "planned_trials",
        ["run_id", "submission_key", "capacity", "training", "trial_key", "problem_key"],
    )
