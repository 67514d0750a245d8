"""Suite files: what is wrong is named, and problems are a pure function of what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.problem.datasets import digits
from unlearnbench.problem.streams import Seeds
from unlearnbench.problem.suite import find, parse, problems

GOOD = """name = "mine"
title = "Mine"
dataset = "digits"
discovery_rates = [0.1, 1.0]
seeds = [0, {corruption = 0, training = 1, unlearning = 2}]
[corruption]
size = 72
[model]
width = 0.25
[originals]
capacities = [0.5]
[recipe]
steps = 10
batch_size = 64
peak_learning_rate = 0.05
[budget]
steps = 10
batch_size = 64
learning_rate = 0.01
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_problems_in_order_with_all_their_seeds(tmp_path: Path) -> None:
    grid = list(problems(parse(write(tmp_path, GOOD)), digits()))
    assert len(grid) == 3 * 2 * 2
    assert [seeds for _, seeds in grid[:4]] == [Seeds(0, 0, 0)] * 2 + [Seeds(0, 1, 2)] * 2
    assert [problem.discovery_rate for problem, _ in grid[:4]] == [0.1, 1.0, 0.1, 1.0]
    assert grid == list(problems(parse(write(tmp_path, GOOD)), digits()))


@pytest.mark.parametrize(("size", "count"), [("72", 72), ("0.05", 72), ("1", 1), ("0.5", 718)])
def test_size_is_a_number_or_a_share(tmp_path: Path, size: str, count: int) -> None:
    suite = parse(write(tmp_path, GOOD.replace("size = 72", f"size = {size}")))
    assert next(problems(suite, digits()))[0].size == count


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "Mine"', 'titel = "Mine"', "titel"),
        ("width = 0.25", "depth = 3", r"unknown key 'model.depth'; allowed here: architecture, width"),
        ('name = "mine"', 'name = "mine"\ncolour = 1', r"unknown key 'colour'; allowed here: .*budget, corruption"),
        ("width = 0.25", "width = -1", "model.width.*greater than 0.*got -1"),
        ("width = 0.25", 'architecture = "resnet10"', "model.architecture.*'resnet9'"),
        ("capacities = [0.5]", "capacities = [1.5]", r"originals.capacities.0.*less than or equal to 1"),
        ("steps = 10\nbatch_size = 64\nlearning_rate", "batch_size = 64\nlearning_rate", "'budget.steps' is missing"),
        ("[0.1, 1.0]", "[0.0, 1.0]", "discovery_rates.0"),
        ("[0.1, 1.0]", "[]", "discovery_rates"),
        ("[0.1, 1.0]", "[0.1, 0.1]", "discovery_rates names a value twice"),
        ("[0.1, 1.0]", "[0.1, 1.0", "not a readable TOML file"),
        ("capacities = [0.5]", "trainings = []", "originals.trainings"),
        ("capacities = [0.5]", "capacities = [0.5, 0.5]", "originals.capacities names a value twice"),
        (
            "steps = 10\nbatch_size = 64\npeak",
            "tied_dropout = 0.1\nsteps = 10\nbatch_size = 64\npeak",
            "originals.memor",
        ),
        ("size = 72", "size = 0", "corruption.size"),
        ("size = 72", "class_pair = [3, 3]", "two different classes"),
        ("size = 72", 'size = "many"', "corruption.size"),
    ],
)
def test_a_wrong_suite_is_one_sentence(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UsageError, match=words) as caught:
        parse(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_classes_must_exist(tmp_path: Path) -> None:
    suite = parse(write(tmp_path, GOOD.replace("size = 72", "target_class = 10")))
    with pytest.raises(UsageError, match=r"corruption.target_class = 10.*classes 0 to 9"):
        next(problems(suite, digits()))


def test_find(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert find("mine", tmp_path) == find(str(path), tmp_path) == path
    with pytest.raises(UsageError, match=r"unknown suite 'other': .* holds mine"):
        find("other", tmp_path)
    with pytest.raises(UsageError, match=r"other.toml does not exist"):
        find("other.toml", tmp_path)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "suites").glob("*.toml")), ids=lambda f: f.stem)
def test_the_shipped_suites_parse(file: Path) -> None:
    assert parse(file).name == file.stem
