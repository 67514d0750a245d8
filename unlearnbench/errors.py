"""The two kinds of error that reach a person as one sentence, and the sentence about a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(Exception):
    """Something that was asked for or handed in is wrong: what, where, and what to do. Exit code 2."""


class HarnessError(Exception):
    """The harness itself failed; never booked on a method. Exit code 1."""


def unknown(kind: str, name: object, known: Iterable[object], where: str = "") -> str:
    """Such as: unknown method 'reem' in the store: did you mean 'rem'? (all: gd, rem)"""
    names = [str(item) for item in known]
    close = get_close_matches(str(name), names, n=1)
    hint = f": did you mean '{close[0]}'?" if close else ""
    every = f"all: {', '.join(names)}" if names else "there are none"
    return f"unknown {kind} {name!r:.80}{where}{hint} ({every})"
