"""A method on a board is found by its label, as NAME/VARIANT, or as NAME."""

from __future__ import annotations

import pytest

from unlearnbench.errors import UsageError

CELL = ("low", 0.1, 0)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("npo", "npo"),
        ("npo/default", "npo"),
        ("npo/digits", "npo/digits"),
        ("rem", "rem/digits"),
        ("rem/shared", "rem/shared"),
        ("etd", "etd on tied dropout"),
        ("both", "both"),
        ("both on tied dropout", "both on tied dropout"),
    ],
)
def test_a_method_has_one_name_everywhere(name: str, label: str, stored) -> None:
    stored.run("first", variants=("digits", "default"))
    stored.problems()
    for key in ("npo", "npo/digits", "rem/shared", "rem/digits", "etd", "both"):
        submission, _, variant = key.partition("/")
        stored.submission(key, submission, variant or "default")
        for training in {"etd": ["tied-dropout"], "both": ["standard", "tied-dropout"]}.get(key, ["standard"]):
            stored.trial("first", key, CELL, training=training)
    board = stored.board()
    assert board.find(name) == label
    assert set(stored.board(methods=(name,)).frame["submission"]) == {label.partition(" ")[0].partition("/")[0]}


def test_an_unknown_method_is_refused_with_what_was_meant(small) -> None:
    with pytest.raises(UsageError, match=r"unknown method 'a/tuned' in the results.*all: "):
        small.board().find("a/tuned")
