"""Waiting for a PostgreSQL server that is restarted, or that ended a connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from unlearnbench.errors import HarnessError

PATIENCE = 600.0
"""Seconds to wait for a server."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0

P = ParamSpec("P")
R = TypeVar("R")


def persistent(call: Callable[P, R]) -> Callable[P, R]:
    """Repeat a call while the database server is away. Only for what may be done twice."""

    @wraps(call)
    def repeated(*arguments: P.args, **options: P.kwargs) -> R:
        deadline, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            try:
                return call(*arguments, **options)
            except (DBAPIError, HarnessError) as error:
                if not is_outage(error) or time.monotonic() > deadline:
                    raise
            logging.getLogger(__name__).warning("the database server does not answer: trying again in %g s", pause)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    return repeated


def is_outage(error: BaseException) -> bool:
    """Whether an error of a database, or a HarnessError caused by one, says that the server is away for now."""
    cause = error.__cause__ if isinstance(error, HarnessError) else error
    driver = cause.orig if isinstance(cause, DBAPIError) else None
    if driver is None or not type(driver).__module__.startswith("psycopg"):
        return False
    # No code: the connection broke, or none was made. 08: of connections. 57P: a shutdown, a crash, a start.
    code = getattr(driver, "sqlstate", None)
    return (code is None and type(driver).__name__ == "OperationalError") or str(code).startswith(("08", "57P"))
