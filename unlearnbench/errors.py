"""The two errors that users see as a one-sentence message, the message for unknown names, and what none may show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

KEPT = "stored trials are kept; fix the problem and run the same command again to continue"
"""Advice in messages of errors that end a run."""


_USER_PASSWORD = re.compile(
    r"(\w:/{1,2}[^\s:/]*):(\S*@|[^'\"]*@)"
)  # greedy: a password may have an @ that is not escaped
_QUERY_PASSWORD = re.compile(r"([?&]\w*password=)[^&\s]*?(?=&|\s|['\")`,;:.]*(?:\s|$))", re.IGNORECASE)


def masked(text: str) -> str:
    """The text without the passwords of the database URLs in it, in the user part or in the query."""
    return _QUERY_PASSWORD.sub(r"\1***", _USER_PASSWORD.sub(r"\1:***@", text))


class _Told(Exception):
    """An error whose message reaches people, so passwords are masked in it."""

    def __init__(self, message: str):
        super().__init__(masked(message))


class UsageError(_Told):
    """Invalid input. The message says what is wrong, where, and how to fix it. Exit code 2."""


class HarnessError(_Told):
    """The harness itself failed. Never counted as a failure of the method under test. Exit code 1."""


def unknown(kind: str, name: object, known: Iterable[object], where: str = "") -> str:
    """Message for an unknown name, e.g. "unknown method 'reem' in the store: did you mean 'rem'? (all: gd, rem)"."""
    names = [str(item) for item in known]
    close = get_close_matches(name, names, n=1) if isinstance(name, str) else []  # no number is a typing error
    hint = f": did you mean '{close[0]}'?" if close else ""
    every = f"all: {', '.join(names)}" if names else "there are none"
    return f"unknown {kind} {name!r:.80}{where}{hint} ({every})"
