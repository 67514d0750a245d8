"""Specifications name the case of a problem, and a ranking is summed by indexes: see `store.trials.read_sums`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


problems, originals = (
    sa.table(name, sa.column("key"), sa.column("specification", sa.JSON)) for name in ("problems", "originals")
)


def upgrade() -> None:
    connection = op.get_bind()
    for key, old in connection.execute(sa.select(problems.c.key, problems.c.specification)).all():
        case = {name: value for name, value in old.items() if name != "discovery_rate"}
        new = {"case": case, "discovery_rate": old["discovery_rate"]}
        connection.execute(sa.update(problems).where(problems.c.key == key).values(specification=new))
    for key, old in connection.execute(sa.select(originals.c.key, originals.c.specification)).all():
        new = {"case" if name == "problem" else name: value for name, value in old.items()}
        connection.execute(sa.update(originals).where(originals.c.key == key).values(specification=new))
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
