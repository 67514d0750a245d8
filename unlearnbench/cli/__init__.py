"""The command line: one thin function a verb. What is heavy to import is imported by the verb that needs it."""

from __future__ import annotations

import sys

import typer

from unlearnbench.cli import authoring, checking, originals, reporting, running, storing  # noqa: F401 each adds its verbs
from unlearnbench.cli.common import app
from unlearnbench.errors import HarnessError, UsageError


def main(arguments: list[str] | None = None) -> None:
    """The program. What a person did wrong is one sentence and code 2; what the harness did wrong, code 1."""
    try:
        app(arguments, prog_name="unlearnbench")
    except (UsageError, HarnessError) as error:
        typer.echo(f"unlearnbench: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        if not (isinstance(error, OSError) or _of_database(error)):
            raise
        # What the system or the database refuses where nobody expects it (a disk that fails, say) is no traceback.
        typer.echo(f"unlearnbench: {' '.join(str(getattr(error, 'orig', error)).split())}", err=True)
        sys.exit(1)


def _of_database(error: Exception) -> bool:
    module = sys.modules.get("sqlalchemy.exc")  # not imported for this: most verbs do without
    return module is not None and isinstance(error, module.SQLAlchemyError)
