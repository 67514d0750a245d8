"""A record says which weights it started from and what it cost in processor time; a run, by which rules it was made.

The covering indexes of a ranking go: it reads other columns now. What is new and was not measured stays null; runs of
older versions are of no protocol version that is run today, so a board lists their trials as stale.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

runs = sa.table(
    "runs",
    *(sa.column(name) for name in ("id", "data_fingerprint", "protocol_version")),
    sa.column("suite_specification", sa.JSON),
)
originals = sa.table("originals", sa.column("key"), sa.column("weights_hash"), sa.column("training_seed"))
problems = sa.table("problems", sa.column("key"), sa.column("corruption_seed"), sa.column("specification", sa.JSON))
trials = sa.table(
    "trials",
    *(sa.column(name) for name in ("key", "run_id", "original_key", "original_weights_hash", "protocol_version")),
    *(sa.column(name) for name in ("training_seed", "unlearning_seed")),
)
planned = sa.table(
    "planned_trials",
    *(sa.column(name) for name in ("run_id", "trial_key", "problem_key", "training_seed", "unlearning_seed")),
)


def upgrade() -> None:
    op.drop_index("ix_trials_scores", "trials")
    op.drop_index("ix_planned_trials_scores", "planned_trials")
    op.add_column("runs", sa.Column("data_fingerprint", sa.String(64)))
    op.add_column("runs", sa.Column("protocol_version", sa.Integer))
    op.add_column("trials", sa.Column("original_weights_hash", sa.String(64)))
    for name in ("misled_discovered", "misled_undiscovered", "attack_success", "processor_seconds"):
        op.add_column("trials", sa.Column(name, sa.Double))
    for name in ("training_seed", "unlearning_seed"):
        op.add_column("planned_trials", sa.Column(name, sa.BigInteger))

    connection = op.get_bind()
    _fill(connection)
    with op.batch_alter_table("runs") as batch:
        batch.alter_column("data_fingerprint", existing_type=sa.String(64), nullable=False)
        batch.alter_column("protocol_version", existing_type=sa.Integer(), nullable=False)
    with op.batch_alter_table("trials") as batch:
        batch.alter_column("original_weights_hash", existing_type=sa.String(64), nullable=False)
    with op.batch_alter_table("planned_trials") as batch:
        for name in ("training_seed", "unlearning_seed"):
            batch.alter_column(name, existing_type=sa.BigInteger(), nullable=False)


def _fill(connection: sa.Connection) -> None:
    """What follows from what is stored. A trial without a record gets its problem's seed: no table holds others."""
    weights = sa.select(originals.c.weights_hash).where(originals.c.key == trials.c.original_key).scalar_subquery()
    connection.execute(sa.update(trials).values(original_weights_hash=weights))
    for name in ("training_seed", "unlearning_seed"):
        recorded = sa.select(trials.c[name]).where(trials.c.key == planned.c.trial_key).scalar_subquery()
        guessed = sa.select(problems.c.corruption_seed).where(problems.c.key == planned.c.problem_key).scalar_subquery()
        connection.execute(sa.update(planned).values({name: sa.func.coalesce(recorded, guessed)}))
    version = sa.select(sa.func.max(trials.c.protocol_version)).where(trials.c.run_id == runs.c.id).scalar_subquery()
    connection.execute(sa.update(runs).values(protocol_version=sa.func.coalesce(version, 0), data_fingerprint=""))
    of_runs = sa.select(planned.c.run_id, sa.func.min(planned.c.problem_key)).group_by(planned.c.run_id)
    for run, problem in connection.execute(of_runs).all():
        specification = connection.scalars(sa.select(problems.c.specification).where(problems.c.key == problem)).one()
        fingerprint = {"data_fingerprint": specification["data_fingerprint"]}
        connection.execute(sa.update(runs).where(runs.c.id == run).values(fingerprint))
