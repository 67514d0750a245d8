"""The cause of an unexpected error, if it is that the store is damaged."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.store.connection import first_line
from unlearnbench.store.sources import name_of
from unlearnbench.store.staging import staged_store

OF_VALUES = (ValueError, TypeError, LookupError, AttributeError)
"""What code raises that is given a value which no run stores."""
ADVICE = "use a copy of the store, or load the files of its boards into a new one (`unlearnbench store load`)"


def refuse_damaged(engine: Engine, error: BaseException) -> None:
    """Name the cause of this error if it is the store. Checks every row then, as `store merge` does.

    Raises:
        HarnessError: the database refused to be read, or has a row that cannot be one of a run.
    """
    url = engine.url.render_as_string(hide_password=False)
    if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
        raise HarnessError(f"cannot read the results database '{name_of(url)}': {first_line(error)}") from error
    if not isinstance(error, OF_VALUES):
        return
    try:
        with staged_store(url):
            pass
    except UsageError as fault:
        raise HarnessError(f"the results database is damaged: {fault}; {ADVICE}") from error
