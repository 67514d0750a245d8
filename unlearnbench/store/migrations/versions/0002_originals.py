"""Methods stand on several kinds of original; a score that needs no clean data is stored.

Before, every trial of a run stood on one standard original, of the capacity that its suite gave. The score of trials
that were stored then stays null: it needs the labels of the data set.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

originals = sa.table(
    "originals", sa.column("key"), sa.column("specification", sa.JSON), sa.column("capacity"), sa.column("training")
)
runs = sa.table("runs", sa.column("id"), sa.column("suite_specification", sa.JSON))
planned = sa.table("planned_trials", sa.column("run_id"), sa.column("capacity"), sa.column("training"))


def upgrade() -> None:
    for table in ("originals", "planned_trials"):
        op.add_column(table, sa.Column("capacity", sa.Double))
        op.add_column(table, sa.Column("training", sa.String(20)))
    op.add_column("trials", sa.Column("selection_score", sa.Double))

    connection = op.get_bind()
    for key, specification in connection.execute(sa.select(originals.c.key, originals.c.specification)).all():
        values = {"capacity": specification["model"]["capacity"], "training": "standard"}
        connection.execute(sa.update(originals).where(originals.c.key == key).values(values))
    for run, specification in connection.execute(sa.select(runs.c.id, runs.c.suite_specification)).all():
        values = {"capacity": specification["model"]["capacity"], "training": "standard"}
        connection.execute(sa.update(planned).where(planned.c.run_id == run).values(values))

    for table in ("originals", "planned_trials"):
        with op.batch_alter_table(table) as batch:
            batch.alter_column("capacity", existing_type=sa.Double(), nullable=False)
            batch.alter_column("training", existing_type=sa.String(20), nullable=False)
