"""A schema version after this one, as its revision would be written: the machinery is tested before there is one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from unlearnbench.store import board_file, migrations
from unlearnbench.store.schema import SCHEMA_VERSION

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{next:04}"
down_revision = "{now:04}"

trials = sa.table("trials", sa.column("colour"), sa.column("state"))
submissions = sa.table("submissions", sa.column("license"))


def upgrade():
    op.add_column("trials", sa.Column("colour", sa.String(10)))
    op.execute(sa.update(trials).values(colour=trials.c.state))
    with op.batch_alter_table("trials") as batch:
        batch.alter_column("colour", existing_type=sa.String(10), nullable=False)
    op.execute(sa.update(submissions).values(license=sa.func.upper(submissions.c.license)))
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """From now on this is the schema version: trials have a colour, and licenses are written in capitals."""
    scripts, number = tmp_path / "migrations", SCHEMA_VERSION + 1
    shutil.copytree(migrations.SCRIPTS, scripts)
    (scripts / "versions" / f"{number:04}_next.py").write_text(REVISION.format(next=number, now=SCHEMA_VERSION))
    monkeypatch.setattr(migrations, "SCRIPTS", scripts)
    for module in (migrations, board_file):
        monkeypatch.setattr(module, "SCHEMA_VERSION", number)
    return number
