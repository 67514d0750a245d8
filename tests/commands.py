"""Every command of the program, by what is typed for it, as in `store info`."""

from __future__ import annotations

from typing import Any

from typer.main import get_command

from unlearnbench.cli.common import app


def _commands(group: Any, before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found |= _commands(command, f"{name} ") if hasattr(command, "commands") else {before + name: command}
    return found


COMMANDS = _commands(get_command(app))
