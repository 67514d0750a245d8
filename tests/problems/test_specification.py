"""Whatever is in a suite file or a submission.toml: it is what it says, or one sentence that names the file."""

from __future__ import annotations

import copy
import datetime
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.tiny import toml
from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import digits
from unlearnbench.problems.grid import problems
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import parse
from unlearnbench.submissions.finding import read

FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
DIGITS = digits()

GOOD: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "dataset": "digits",
    "discovery_rates": [0.1, 1.0],
    "seeds": [0, {"corruption": 0, "training": 1, "unlearning": 2}],
    "corruptions": ["random-swap", "class-swap", "poison-trigger"],
    "variants": ["default"],
    "threads": 1,
    "precision": "auto",
    "paper": False,
    "corruption": {"size": 72, "class_pair": [3, 5], "target_class": 0, "trigger_size": 3},
    "model": {"architecture": "resnet9", "width": 0.25},
    "originals": {"capacities": [0.5], "trainings": ["standard"], "shared": 0.5, "memorisation": 0.2},
    "tuning": {"seeds": [1000], "discovery_rates": [0.1], "tries": 4},
    "recipe": {"steps": 10, "batch_size": 64, "peak_learning_rate": 0.05, "flip": False, "optimizer": "sgd"},
    "budget": {"steps": 10, "batch_size": 64, "learning_rate": 0.01},
    "limits": {"seconds": 60, "memory_gib": 4.0},
}
MANIFEST: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "authors": ["A. Author"],
    "paper": "",
    "license": "Apache-2.0",
    "entry": "method:Mine",
    "role": "ranked",
    "needs": {"corrupted_indices": False},
    "variants": {
        "hard": {"rate": 0.2, "names": ["a"]},
        "other": {"extends": ["hard"], "title": "Other", "role": "ablation", "entry": "method:Other"},
    },
    "search": {"rate": {"low": 0.1, "high": 1.0, "log": True}, "mask": {"choices": [0.3, 0.5]}},
}

SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, -(2**63) - 1, 10**400]),
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e308, 5e-324, -0.0, 1.0]),
    st.text(max_size=20),
    st.sampled_from(
        ["", "digits", "3", "true", "\0", "\u202e", "[/red]", "x" * 5000, "../..", "imagefolder:~nobody/x"]
    ),
    st.just(datetime.date(2020, 1, 1)),
    st.just(datetime.datetime(2020, 1, 1, 12)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(table: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and every position in it."""
    inner = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    return [found for key, value in inner for found in ((*path, key), *places(value, (*path, key)))]


def near(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same kind, many of them allowed."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.integers(0, 100)
    if isinstance(value, float):
        return st.floats(0, 1) | st.integers(0, 2)
    if isinstance(value, list):
        return st.permutations(value) | st.just(value + value)
    return st.just(value)


@st.composite
def mutated(draw: st.DrawFn, good: dict[str, Any]) -> str:
    """A good table with one to three places replaced, removed or added to, as TOML."""
    table = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(table)))
        parent: Any = table
        for part in path[:-1]:
            parent = parent[part]
        what = draw(st.sampled_from(["near", "near", "replace", "remove", "add"]))
        if what == "near":
            parent[path[-1]] = draw(near(parent[path[-1]]))
        elif what == "replace":
            parent[path[-1]] = draw(VALUES)
        elif what == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.text(min_size=1, max_size=8))] = draw(VALUES)
        else:
            parent.append(draw(VALUES))
        if not places(table):
            break
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in table.items())


def one_sentence(error: UsageError, file: Path) -> None:
    text = str(error)
    assert text.startswith(str(file)), text
    assert "\n" not in text
    assert len(text) < 1000


def suite_of(content: bytes) -> Suite | None:
    """The suite in a file of these bytes; None if it was refused as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.toml"
        file.write_bytes(content)
        try:
            return parse(file)
        except UsageError as error:
            one_sentence(error, file)
            return None


def test_the_good_ones_are_good() -> None:
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in GOOD.items())
    assert suite_of(text.encode()) is not None
    assert suite_of(b"\xef\xbb\xbf" + text.encode()) is not None


@FEW
@given(mutated(GOOD))
def test_any_suite_file_is_a_suite_or_a_sentence(text: str) -> None:
    suite = suite_of(text.encode())
    if suite is None or suite.dataset != "digits":
        return
    try:
        sentence = str(next(problems(suite, DIGITS)))
    except UsageError as error:
        sentence = str(error)
    assert "\n" not in sentence


@FEW
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"a = " + b"[" * 20000)
@example(b"a = " + b"{b=" * 20000)
@example(b"threads = " + b"9" * 5000)
@example(b"threads = 0x" + b"f" * 5000)
@example(b'name = "\\u0000"')
def test_any_bytes_are_a_sentence(content: bytes) -> None:
    assert suite_of(content) is None


@FEW
@given(mutated(MANIFEST))
def test_any_submission_toml_is_submissions_or_a_sentence(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "mine"
        place.mkdir()
        (place / "method.py").write_text("")
        (place / "submission.toml").write_text(text)
        try:
            found = read(place)
        except UsageError as error:
            one_sentence(error, place / "submission.toml")
        else:
            assert found
            json.dumps([item.hyperparameters for item in found], allow_nan=False)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("threads", True, "'threads'"),
        ("threads", "3", "'threads'"),
        ("threads", 3.0, "'threads'"),
        ("threads", 10**6, "'threads'"),
        ("paper", 1, "'paper'"),
        ("paper", "no", "'paper'"),
        ("title", 3, "'title'"),
        ("name", "a\nb", "'name'"),
        ("seeds", [2**70], "'seeds.0': must fit in 64 bits"),
        ("seeds", [True], "'seeds.0"),
        ("seeds", [], "'seeds'"),
        ("discovery_rates", [math.nan], "'discovery_rates.0': must be a finite number"),
        ("limits", {"seconds": math.inf}, "'limits.seconds': must be a finite number"),
        ("limits", 3, "'limits'"),
        ("recipe", [], "'recipe'"),
        ("model", {"width": 1000.0}, "'model.width'"),
        ("title", datetime.date(2020, 1, 1), "'title': dates and times are not allowed"),
        ("title", "a\0b", "'title': strings must not contain NUL characters"),
    ],
)
def test_what_only_looks_right_is_refused(tmp_path: Path, key: str, value: Any, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("".join(f"{name} = {toml(value if name == key else GOOD[name])}\n" for name in GOOD))
    with pytest.raises(UsageError) as caught:
        parse(file)
    one_sentence(caught.value, file)
    assert words in str(caught.value)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").mkdir()
    with pytest.raises(UsageError, match=r"mine.toml: not a readable TOML file: Is a directory"):
        parse(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"corruption": {"size": 1.0}}, "leaves none of the 1437 training samples clean"),
        ({"corruption": {"size": 9999}}, "leaves none of the 1437 training samples clean"),
        ({"corruption": {"size": 10, "trigger_size": 16}}, "trigger_size = 16, but the images"),
        ({"recipe": GOOD["recipe"] | {"crop_padding": 99}}, "crop_padding = 99, but the images"),
        ({"corruption": {"size": 10, "class_pair": [3, -1]}}, "class_pair[1] = -1"),
    ],
)
def test_settings_that_do_not_fit_the_data(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("".join(f"{key} = {toml(value)}\n" for key, value in (GOOD | changes).items()))
    with pytest.raises(UsageError) as caught:
        next(problems(parse(file), DIGITS))
    assert words in str(caught.value)
