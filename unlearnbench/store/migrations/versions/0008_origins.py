"""Rows of other stores and files keep their origin, and a trial says how its limits were held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

KEY = sa.String(64)


def upgrade() -> None:
    op.add_column("trials", sa.Column("limits", sa.String(20), nullable=False, server_default="counted"))
    op.create_table(
        "origins",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, index=True, unique=True),
        sa.Column("sha256", KEY),
        sa.Column("added_at", sa.DateTime, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
    )
    op.create_table(
        "origin_entries",
        sa.Column("table_name", sa.String(20), primary_key=True),
        sa.Column("key", sa.String(130), primary_key=True),
        sa.Column("origin_id", sa.Integer, sa.ForeignKey("origins.id"), primary_key=True, index=True),
    )
