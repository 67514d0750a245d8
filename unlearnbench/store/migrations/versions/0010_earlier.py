"""A failed trial that is run again keeps its earlier failures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("trials", sa.Column("earlier", sa.Text))
