"""Suite files: what is wrong is named, and problems are a pure function of what is right."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import digits
from unlearnbench.problems.grid import problems
from unlearnbench.problems.identity import conditions, given
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Model, OriginalSpec
from unlearnbench.problems.suite_file import find, parse, stored

SEEDS = "seeds = [0, {corruption = 0, training = 1, unlearning = 2}]"
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
    assert len(grid) == 3 * 2 * 3
    assert [seeds for _, seeds in grid[:6]] == [Seeds(0, 0, 0)] * 3 + [Seeds(0, 1, 2)] * 3
    # At the rate 0 stand methods that use no forget set.
    assert [problem.discovery_rate for problem, _ in grid[:6]] == [0.0, 0.1, 1.0, 0.0, 0.1, 1.0]
    assert len(grid[0][0].found(grid[0][0].case.corrupted_set(digits()))) == 0
    assert grid == list(problems(parse(write(tmp_path, GOOD)), digits()))


@pytest.mark.parametrize(("size", "count"), [("72", 72), ("0.05", 72), ("1", 1), ("0.5", 718)])
def test_size_is_a_number_or_a_share(tmp_path: Path, size: str, count: int) -> None:
    suite = parse(write(tmp_path, GOOD.replace("size = 72", f"size = {size}")))
    assert next(problems(suite, digits()))[0].case.size == count


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "Mine"', 'titel = "Mine"', "titel"),
        ("width = 0.25", "depth = 3", r"unknown key 'depth' in \[model\].* \(all: architecture, width"),
        ('name = "mine"', 'name = "mine"\ncolour = 1', r"unknown key 'colour' \(all: .*budget, commitment, corruption"),
        ("width = 0.25", "width = -1", "model.width.*greater than 0.*got -1"),
        (
            "width = 0.25",
            'architecture = "resnet10"',
            r"key 'model.architecture': unknown value 'resnet10': did you mean 'resnet18'\? \(all: resnet9",
        ),
        ("capacities = [0.5]", "capacities = [1.5]", r"originals.capacities.0.*at most 1"),
        ("size = 72", "size = 1.5", r"key 'corruption.size' must be a whole number or be at most 1 \(got 1.5\)"),
        (SEEDS, "seeds = []", r"key 'seeds' must have at least 1 item \(got \[\]\)"),
        (SEEDS, "seeds = [{ corruption = 1 }]", r"key 'seeds.0' must be a whole number"),
        ("steps = 10\nbatch_size = 64\nlearning_rate", "batch_size = 64\nlearning_rate", "'budget.steps' is missing"),
        ("[0.1, 1.0]", "[0.0, 1.0]", "discovery_rates.0"),
        ("[0.1, 1.0]", "[]", "discovery_rates"),
        ("[0.1, 1.0]", "[0.1, 0.1]", "discovery_rates has duplicate values"),
        ("[0.1, 1.0]", "[0.1, 1.0", "not a readable TOML file"),
        ("capacities = [0.5]", "trainings = []", "originals.trainings"),
        ("capacities = [0.5]", "capacities = [0.5, 0.5]", "originals.capacities has duplicate values"),
        ("[recipe]", "[recipe]\ntied_dropout = 0.1", "recipe.tied_dropout is set by originals.memorisation: leave it"),
        ("[recipe]", "[recipe]\nshared = 0.25", "recipe.shared is set by originals.shared: leave it out"),
        ("[recipe]", "[recipe]\nshared = 0.5", "recipe.shared is set by originals.shared: leave it out"),
        ("capacities = [0.5]", "shared = 0", "originals.shared.*greater than 0"),
        ("capacities = [0.5]", "shared = 1", "originals.shared.*less than 1"),
        ("capacities = [0.5]", "shared = true", "originals.shared"),
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


def test_tied_dropout_is_what_the_originals_say(tmp_path: Path) -> None:
    kinds = 'capacities = [0.25]\ntrainings = ["standard", "tied-dropout"]\nshared = 0.25\nmemorisation = 0.1'
    suite = parse(write(tmp_path, GOOD.replace("capacities = [0.5]", kinds)))
    assert suite.recipe_of(OriginalSpec(0.25, "standard")) == suite.recipe
    tied = suite.recipe_of(OriginalSpec(0.25, "tied-dropout"))
    assert tied == replace(suite.recipe, tied_dropout=0.1, shared=0.25)
    assert (suite.recipe.tied_dropout, suite.recipe.shared) == (None, 0.5)
    default = parse(write(tmp_path, GOOD))
    assert default.recipe_of(OriginalSpec(0.5, "tied-dropout")) == replace(default.recipe, tied_dropout=0.2, shared=0.5)


@pytest.mark.parametrize("name", ["resnet9", "resnet18", "vit", "vit-small"])
def test_architectures(tmp_path: Path, name: Literal["resnet9", "vit", "vit-small"]) -> None:
    suite = parse(write(tmp_path, GOOD.replace("width = 0.25", f'architecture = "{name}"')))
    assert suite.model == Model(name)


def test_classes_must_exist(tmp_path: Path) -> None:
    suite = parse(write(tmp_path, GOOD.replace("size = 72", "target_class = 10")))
    with pytest.raises(UsageError, match=r"corruption.target_class = 10.*classes 0 to 9"):
        next(problems(suite, digits()))


def test_find(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert find("mine", tmp_path) == find(str(path), tmp_path) == path
    with pytest.raises(UsageError, match=r"unknown suite 'other' in .* \(all: mine\); a path"):
        find("other", tmp_path)
    with pytest.raises(UsageError, match=r"other.toml does not exist"):
        find("other.toml", tmp_path)


def write_chain(folder: Path, **suites: str) -> None:
    """A complete suite `mine`, and others of these names and contents."""
    write(folder, GOOD)
    for name, text in suites.items():
        (folder / f"{name}.toml").write_text(text)


def test_a_suite_says_how_it_differs_from_the_one_that_it_extends(tmp_path: Path) -> None:
    write_chain(
        tmp_path,
        b='extends = "mine"\nname = "b"\ntitle = "B"\nseeds = [7]\n[recipe]\nsteps = 3\n[limits]\nseconds = 9\n',
        c='extends = "b"\nname = "c"\ntitle = "C"\n[recipe]\nflip = false\n[budget]\nsteps = 2\n',
    )
    mine, b, c = (parse(tmp_path / f"{name}.toml") for name in ("mine", "b", "c"))
    recipe, limits = replace(mine.recipe, steps=3), replace(mine.limits, seconds=9.0)
    assert b == replace(mine, name="b", title="B", seeds=(7,), recipe=recipe, limits=limits)
    assert c == replace(
        b, name="c", title="C", recipe=replace(recipe, flip=False), budget=replace(mine.budget, steps=2)
    )


def test_the_folder_of_the_file_is_where_a_suite_is_extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_chain(tmp_path, other='extends = "mine"\nname = "other"\ntitle = "Other"\n')
    monkeypatch.chdir(tmp_path)
    assert parse(Path("other.toml")) == parse(tmp_path / "other.toml")
    (tmp_path / "below").mkdir()
    (tmp_path / "other.toml").rename(tmp_path / "below" / "other.toml")
    with pytest.raises(
        UsageError, match=r"other.toml: extends: unknown suite 'mine' in .*below and .*suites \(all: .*, other,"
    ):
        parse(tmp_path / "below" / "other.toml")


OWN = 'name = "other"\ntitle = "Other"\n'


@pytest.mark.parametrize(
    ("text", "file", "words"),
    [
        (
            'extends = "nothing"\n' + OWN,
            "other",
            r"extends: unknown suite 'nothing' in .* \(all: .*, mine, other, .*, wrong\)$",
        ),
        ('extends = "mine.toml"\n' + OWN, "other", r"extends: unknown suite 'mine.toml' in .*: did you mean 'mine'\?"),
        ('extends = "../mine"\n' + OWN, "other", "extends: unknown suite '../mine' in"),
        ("extends = 3\n" + OWN, "other", "extends: unknown suite 3 in"),
        ('extends = ["mine"]\n' + OWN, "other", r"extends: unknown suite \['mine'\] in"),
        ('extends = "other"\n' + OWN, "other", "circular extends: other -> other$"),
        ('extends = "mine"\ntitle = "Other"\n', "other", "key 'name' is missing"),
        ('extends = "mine"\nname = "other"\n', "other", "key 'title' is missing"),
        (
            'extend = "mine"\n' + OWN,
            "other",
            r"unknown key 'extend': did you mean 'extends'\? \(all: .*discovery_rates, extends",
        ),
        ('extends = "mine"\nmodel = 3\n' + OWN, "other", "key 'model'"),
        (
            'extends = "mine"\n[model]\nextends = "x"\n',
            "other",
            r"unknown key 'extends' in \[model\] \(all: arch.*, width\)$",
        ),
        ('extends = "mine"\n' + OWN + "[tuning]\nseeds = [0]\n", "other", "tuning.seeds"),
        ('extends = "mine"\n' + OWN + "[tuning]\nseeds = [7, 7]\n", "other", "tuning.seeds has duplicate values"),
        ('extends = "wrong"\n' + OWN, "wrong", "model.width"),
    ],
)
def test_what_is_wrong_with_extending_is_one_sentence(tmp_path: Path, text: str, file: str, words: str) -> None:
    write_chain(tmp_path, other=text, wrong=GOOD.replace("width = 0.25", "width = -1"))
    with pytest.raises(UsageError, match=words) as caught:
        parse(tmp_path / "other.toml")
    assert str(caught.value).startswith(f"{tmp_path / file}.toml: ")
    assert "\n" not in str(caught.value)


def test_suites_in_a_circle_are_named(tmp_path: Path) -> None:
    write_chain(tmp_path, **{name: f'extends = "{base}"\n{OWN}' for name, base in zip("abc", "bca", strict=True)})
    with pytest.raises(UsageError, match=r"c\.toml: circular extends: a -> b -> c -> a$"):
        parse(tmp_path / "a.toml")


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "suites").glob("*.toml")), ids=lambda f: f.stem)
def test_the_shipped_suites_parse(file: Path) -> None:
    assert parse(file).name == file.stem


def test_a_part_of_the_grid(tmp_path: Path) -> None:
    suite = parse(write(tmp_path, GOOD))
    part = suite.select(seeds=[0], discovery_rates=[1.0], corruptions=["class-swap", "random-swap"])
    assert part == replace(suite, discovery_rates=(1.0,), corruptions=("random-swap", "class-swap"))
    assert suite.select() == suite


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"seeds": [7]}, r"unknown seed 7 in suite 'mine' \(all: 0\)"),
        ({"discovery_rates": [0.2]}, r"unknown discovery rate 0.2 in suite 'mine'.* \(all: 0.1, 1.0\)"),
        (
            {"corruptions": ["no"]},
            r"unknown corruption 'no' in suite 'mine' \(all: random-swap, class-swap, poison",
        ),
    ],
)
def test_what_is_not_in_the_grid_is_refused(tmp_path: Path, chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(write(tmp_path, GOOD)).select(**chosen)


def test_what_is_given_leaves_defaults_out(tmp_path: Path) -> None:
    suite = parse(write(tmp_path, GOOD))
    assert given(suite.model) == {"width": 0.25}
    assert given(suite.corruption) == {"size": 72}
    assert given(suite.limits) == {}
    assert given(replace(suite, title=suite.title))["budget"] == {"steps": 10, "batch_size": 64, "learning_rate": 0.01}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"title": "Other words"}, True),
        ({"seeds": (5,)}, True),
        ({"discovery_rates": (0.5,)}, True),
        ({"variants": ("mine",)}, True),
        ({"threads": 2}, False),
        ({"paper": True}, False),
        ({"train_size": 100}, False),
        ({"model": Model(width=0.5)}, False),
    ],
)
def test_conditions_are_what_records_that_are_ranked_together_share(
    tmp_path: Path, changes: dict[str, Any], same: bool
) -> None:
    suite = parse(write(tmp_path, GOOD))
    assert (conditions(replace(suite, **changes)) == conditions(suite)) is same


def test_a_stored_suite_comes_back_whatever_else_an_older_version_stored(tmp_path: Path) -> None:
    suite = parse(write(tmp_path, GOOD))
    table: dict[str, Any] = json.loads(json.dumps(asdict(suite)))
    assert stored(table) == suite
    table["variant"], table["model"]["capacity"] = "digits", 0.5
    assert stored(table) == suite
