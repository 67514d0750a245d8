"""A name that does not exist is answered with the one that was meant, and with all that there are."""

from __future__ import annotations

import pytest

from unlearnbench.errors import unknown


@pytest.mark.parametrize(
    ("name", "known", "where", "sentence"),
    [
        ("reem", ["gd", "rem"], "", "unknown method 'reem': did you mean 'rem'? (all: gd, rem)"),
        ("reem", ["gd", "rem"], " in x", "unknown method 'reem' in x: did you mean 'rem'? (all: gd, rem)"),
        ("scrub", ["gd", "rem"], "", "unknown method 'scrub' (all: gd, rem)"),
        (7, [0, 1], "", "unknown method 7 (all: 0, 1)"),
        ("rem", [], "", "unknown method 'rem' (there are none)"),
        ("a\n" * 100, ["gd"], "", "unknown method '" + "a\\n" * 26 + "a (all: gd)"),
    ],
)
def test_what_was_meant_is_said_before_all_that_there_are(
    name: object, known: list[object], where: str, sentence: str
) -> None:
    assert unknown("method", name, known, where) == sentence
