"""Harnesses that share a store claim the trials that they are at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("trial_key", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("process", sa.String(200), nullable=False),
        sa.Column("beat", sa.Integer, nullable=False),
    )
    op.create_index("ix_claims_run_id", "claims", ["run_id"])
