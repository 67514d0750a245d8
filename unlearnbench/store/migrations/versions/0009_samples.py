"""The index that a ranking is summed from holds the samples of backward passes too: see `store.trials.read_sums`."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.drop_index("ix_trials_sums", "trials")
    op.create_index(
        "ix_trials_sums",
        "trials",
        [
            *("submission_key", "original_key", "original_weights_hash", "unlearning_seed", "problem_key"),
            *("run_id", "isolation", "aggregate", "healed_train", "healed_undiscovered", "healed_test"),
            *("attack_success", "utility", "seconds", "processor_seconds", "backward_samples"),
        ],
    )
