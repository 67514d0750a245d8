"""The command line: one thin function per command. Heavy imports are inside the commands that need them."""

from __future__ import annotations

import sys
from traceback import format_exc

from unlearnbench.cli import authoring, checking, originals, repairing, reporting, running, storing  # noqa: F401 each adds its commands
from unlearnbench.cli.common import app, complain, err
from unlearnbench.errors import HarnessError, UsageError, masked


def main(arguments: list[str] | None = None) -> None:
    """Run the program. A `UsageError` prints its message and exits with 2, a `HarnessError` with 1."""
    try:
        app(arguments, prog_name="unlearnbench")
    except (UsageError, HarnessError) as error:
        complain(f"unlearnbench: {error}")
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        # Unexpected errors of the system or the database, such as a failing disk, get a line and no traceback.
        if isinstance(error, OSError) or _of_database(error):
            named = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else None
            complain(f"unlearnbench: {named or getattr(error, 'orig', error)}")
        else:
            err.print(masked(format_exc().rstrip()), highlight=False, soft_wrap=True)
        sys.exit(1)


def _of_database(error: Exception) -> bool:
    module = sys.modules.get("sqlalchemy.exc")  # not imported here: most commands do without
    return module is not None and isinstance(error, module.SQLAlchemyError)
