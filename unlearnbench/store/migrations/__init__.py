"""Schema versions: one Alembic revision each in `versions`, numbered like `SCHEMA_VERSION`.

A store's version is in Alembic's own table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, inspect, text

from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.store.connection import begin_alone, connect, explained
from unlearnbench.store.schema import SCHEMA_VERSION, Base

FIRST_VERSION = 6
"""The schema version of the first release."""

SCRIPTS = Path(__file__).parent


def stored_version(connection: Connection) -> int:
    """The schema version of a store; 0 if the database is empty.

    Raises:
        UsageError: the database is not a store, or is one from before the first release.
    """
    tables, url = inspect(connection).get_table_names(), connection.engine.url
    if not tables:
        return 0
    version = None
    if "planned_trials" in tables:  # the first two versions had no Alembic table
        known = "alembic_version" in tables
        version = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else "1"
    if version is None or not str(version).isdigit():
        raise UsageError(f"{url} is not a results database: choose another one")
    if int(version) < FIRST_VERSION:
        raise UsageError(
            f"{url} was written before the first release and cannot be upgraded: run its suites again with a new store"
        )
    return int(version)


def check(connection: Connection, version: int) -> None:
    """Refuse a store of another schema version.

    Raises:
        UsageError: the version is not `SCHEMA_VERSION`.
    """
    url = connection.engine.url
    says = f"{url} has schema version {version}, but this version reads {SCHEMA_VERSION}"
    if version > SCHEMA_VERSION:
        raise UsageError(f"{says}: use the version of unlearnbench that wrote it")
    if version == 0:
        raise UsageError(f"{url} is an empty database: it has no results")
    if version < SCHEMA_VERSION:
        raise UsageError(f"{says}: run `unlearnbench store upgrade --database {url}`")


def create(connection: Connection) -> None:
    """Create the tables of the current version, in the connection's transaction."""
    Base.metadata.create_all(connection)
    _alembic("stamp", connection, SCHEMA_VERSION)


def migrate(connection: Connection, to: int) -> None:
    """Run the missing revisions up to a version, in the connection's transaction.

    Raises:
        UsageError: a row has content that no version wrote.
    """
    try:
        _alembic("upgrade", connection, to)
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        says = f"{type(error).__name__}: {error!s:.80}"
        raise UsageError(
            f"{connection.engine.url} has rows that no version wrote, so it was not upgraded ({says}): it is damaged"
        ) from error


def upgrade(path_or_url: str) -> tuple[int, int]:
    """Upgrade a store to the current version, in one transaction; returns its versions before and after.

    Waits for a concurrent upgrade, and leaves a current store alone.

    Raises:
        UsageError: there is no store, or a newer version wrote it.
        HarnessError: the upgrade would break a foreign key.
    """
    engine = connect(path_or_url, create=False)
    try:
        with explained(path_or_url), engine.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            if sqlite:  # Alembic replaces a table by an altered copy, which breaks references for a moment.
                connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            begin_alone(connection)
            before = stored_version(connection)
            if before == 0:
                raise UsageError(f"{engine.url} is an empty database: there is nothing to upgrade")
            if before < SCHEMA_VERSION:
                migrate(connection, SCHEMA_VERSION)
                if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise HarnessError(f"{engine.url} was not upgraded: a row would refer to a missing one")
            check(connection, stored_version(connection))
            connection.commit()
    finally:
        engine.dispose()
    return before, SCHEMA_VERSION


def _alembic(verb: Literal["stamp", "upgrade"], connection: Connection, version: int) -> None:
    from alembic import command  # slow to import, and seldom needed
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    {"stamp": command.stamp, "upgrade": command.upgrade}[verb](config, f"{version:04}")
