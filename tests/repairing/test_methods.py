"""What `auto` runs follows from the board and from the labels of the found samples, and what it leaves out it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unlearnbench.errors import UsageError
from unlearnbench.models import TORCHVISION, ModelSpec
from unlearnbench.problems.corruption import REGULARITIES
from unlearnbench.repairing.given import Given
from unlearnbench.repairing.methods import Choice, choose
from unlearnbench.repairing.original import Model
from unlearnbench.repairing.recommended import looks_like, order_of, read
from unlearnbench.submissions.finding import Discovered, discover

ROOT = Path(__file__).parents[2]
FOUND = discover(ROOT / "submissions")
TRAINED = Model(ModelSpec("resnet9", 1.0, 1.0, 3, 3, 16), None, "trained here")
LOADED = replace(TRAINED, weights={}, source="weights")
THEIRS = replace(LOADED, spec=replace(LOADED.spec, architecture=f"{TORCHVISION}resnet18"))
SAME, TWO, MANY, ONE = (0, 1, 2, 3, 4), tuple(range(8)) + tuple(range(20, 28)), (0, 1, 20, 40), (0,)


def names(choice: Choice) -> list[str]:
    return [f"{item.name}/{item.variant}".removesuffix("/default") for item in choice.submissions]


def test_the_order_is_that_of_the_committed_board() -> None:
    assert order_of(pd.read_csv(ROOT / "leaderboard/trials.csv")) == read(), "run `make findings`"


def test_the_order_by_hand() -> None:
    rows = [
        ("a", "default", "ranked", "low", 0.9, False),  # its tuned variant counts, though it is worse
        ("a", "digits", "ranked", "low", 0.3, False),
        ("b", "default", "ranked", "low", 0.5, False),
        ("b", "default", "ranked", "low", None, False),  # failed
        ("c", "default", "ranked", "low", 0.8, True),  # a copy
        ("c", "default", "ranked", "low", 0.2, False),
        ("d", "default", "reference", "low", 1.0, False),
        ("b", "default", "ranked", "high", 0.5, False),
    ]
    frame = pd.DataFrame(rows, columns=["submission", "variant", "role", "regularity", "aggregate", "again"])
    assert order_of(frame) == {"low": ["a/digits", "b", "c"], "medium": [], "high": ["b"]}


@pytest.mark.parametrize(
    ("labels", "classes", "level"),
    [
        ([3] * 5, 10, "high"),
        ([3] * 2, 10, None),  # one time in ten, two random labels are equal
        ([3] * 5, 2, None),
        ([3] * 6, 2, "high"),
        ([3, 5] * 4, 10, "medium"),
        ([3, 5], 10, None),
        ([0, 1] * 20, 2, None),  # two classes have no more than two labels
        ([3, 5, 7], 10, "low"),
        ([7], 10, None),
    ],
)
def test_what_found_samples_look_like(labels: list[int], classes: int, level: str | None) -> None:
    assert looks_like(np.array(labels), classes)[0] == level


def test_of_two_classes_no_number_of_samples_tells() -> None:
    assert "random labels and swapped classes look alike" in looks_like(np.array([0, 1] * 20), 2)[1]
    assert "too few" in looks_like(np.array([0]), 2)[1]


@pytest.mark.parametrize(("found", "level"), [(SAME, "high"), (MANY, "low"), (TWO, "medium")])
def test_auto_runs_the_best_of_the_row(given: Callable[..., Given], found: tuple[int, ...], level: str) -> None:
    if level == "medium":  # three classes are few for this: widen the list
        found = (*range(15), *range(20, 35))
    choice = choose(["auto"], FOUND, given(*found), TRAINED)
    assert names(choice) == read()[level][:4]
    assert f"the best of the board for {level} regularity" in choice.why


def test_auto_on_one_sample_runs_the_best_of_every_row(given: Callable[..., Given]) -> None:
    chosen = names(choose(["auto"], FOUND, given(*ONE), TRAINED))
    assert chosen == list(dict.fromkeys(name for level in REGULARITIES for name in read()[level][:2]))


def test_auto_without_found_samples_runs_what_needs_none(given: Callable[..., Given]) -> None:
    assert sorted(names(choose(["auto"], FOUND, given(), TRAINED))) == ["etd", "sap/digits"]
    choice = choose(["auto"], FOUND, given(), LOADED)
    assert names(choice) == ["sap/digits"]
    assert "trained with example-tied dropout" in choice.left_out["etd"]


def test_auto_leaves_out_what_cannot_be_had_and_says_why(given: Callable[..., Given]) -> None:
    choice = choose(["auto"], FOUND, given(*MANY), THEIRS)
    assert len(choice.submissions) == 4
    assert not any(
        item.needs_retraining or item.needs_expansion or item.needs_tied_dropout for item in choice.submissions
    )
    assert "it trains a new model" in choice.left_out["detect_retrain"]
    assert "torchvision's models cannot be expanded" in choice.left_out["rem/digits"]


def test_auto_says_which_methods_of_the_board_it_lacks(given: Callable[..., Given], tmp_path: Path) -> None:
    first, second, third, *_ = read()["low"]
    assert len({name.split("/")[0] for name in (first, second, third)}) == 3
    gone, broken = first.split("/")[0], second.split("/")[0]
    here = tuple(item for item in FOUND if item.name not in (gone, broken))
    choice = choose(["auto"], Discovered(here, {broken: "it is broken"}), given(*MANY), TRAINED)
    assert choice.left_out == {first: f"there is no method '{first}' here", second: "it is broken"}
    assert names(choice) == read()["low"][2:6]


def test_named_methods(given: Callable[..., Given]) -> None:
    assert names(choose(["rem", "npo/digits"], FOUND, given(*MANY), LOADED)) == ["npo/digits", "rem"]
    assert names(choose(["detect_retrain"], FOUND, given(*MANY), LOADED)) == ["detect_retrain"]
    wrong = [
        (["rem"], MANY, THEIRS, "method 'rem' cannot run here: it adds channels"),
        (["oracle"], MANY, TRAINED, "it must know all corrupted samples"),
        (["npo"], (), TRAINED, "it needs found samples: name some with --found"),
        (["etd"], MANY, LOADED, "leave --weights out"),
        (["reem"], MANY, TRAINED, "unknown method 'reem': did you mean 'rem'"),
        (["auto", "rem"], MANY, TRAINED, "--method auto stands alone"),
    ]
    for asked, found, model, words in wrong:
        with pytest.raises(UsageError, match=words):
            choose(asked, FOUND, given(*found), model)


def test_what_trains_anew_or_adds_channels_says_so_in_its_manifest() -> None:
    for item in FOUND:
        assert item.sources is not None
        code = item.sources.files.get(f"{item.entry.split(':')[0].replace('.', '/')}.py", b"").decode()
        assert item.needs_retraining == ("train_from_scratch" in code), item.label
        assert item.needs_expansion == (item.name == "rem"), item.label
        if "expanded_original" in code:
            assert item.needs_expansion, item.label
