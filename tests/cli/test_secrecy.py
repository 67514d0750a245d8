"""No command shows the password of a database, whatever is wrong with it or with what else is typed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import Call
from tests.commands import COMMANDS

URLS = (
    "postgresql+psycopg://me:swordfish@localhost:1/results",  # nobody listens there
    "postgresql+psycopg://localhost:1/results?user=me&password=swordfish",
    "postgresql+psycopg://me:swordfish/@localhost/results",
)


def typed(command: Any, url: str) -> Iterator[str]:
    """What is typed for a command: the URL wherever one can be given, and something for what else is required."""
    for parameter in command.params:
        given = url if parameter.metavar == "URL" else "0.5" if parameter.metavar == "X" else "missing"
        if parameter.param_type_name == "argument" and (parameter.required or given == url):
            yield given
        elif parameter.required or given == url:
            yield from (parameter.opts[0], given)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_password(name: str, call: Call) -> None:
    words = name.split()
    calls = [[*words, *typed(COMMANDS[name], url)] for url in URLS]
    calls += [[*calls[0], URLS[0]], [*words, URLS[0]], [*words, "--unknown", URLS[0]], [URLS[0]]]
    for arguments in calls:
        result = call(*arguments)
        assert "swordfish" not in result.out + result.err, arguments
