"""What a submission's folder may say and hold: variants, a search space, code, and no more than code takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.submissions.mine import GOOD
from unlearnbench.errors import UsageError
from unlearnbench.submissions.choosing import choose
from unlearnbench.submissions.finding import read

ABLATION = """[variants.tuned]
rate = 0.5
hard = true

[variants.less]
entry = "less:Less"
title = "Mine with less"
role = "ablation"
needs = { forget_set = false }
search = { share = { low = 0, high = 9 } }

[variants.less_tuned]
extends = ["less", "tuned"]
rate = 0.1

[search]
rate = { choices = [0.1, 0.5] }
"""


def test_a_variant_may_be_another_class(folder: Path) -> None:
    (folder / "less.py").write_text("")
    (folder / "submission.toml").write_text(GOOD + ABLATION)
    default, tuned, less, less_tuned = read(folder)
    for item in (default, tuned):
        assert (item.entry, item.title, item.role) == ("method:Mine", "Mine", "ranked")
        assert (item.needs_forget_set, list(item.search)) == (True, ["rate"])
    for item in (less, less_tuned):
        assert (item.entry, item.title, item.role) == ("less:Less", "Mine with less", "ablation")
        assert (item.needs_forget_set, list(item.search)) == (False, ["share"])
        assert (item.name, item.source_hash) == ("mine", default.source_hash)
    values = [item.hyperparameters for item in (default, tuned, less, less_tuned)]
    assert values == [{}, {"rate": 0.5, "hard": True}, {}, {"rate": 0.1, "hard": True}]


def test_a_variant_that_is_an_ablation_is_chosen_by_its_label_only(folder: Path) -> None:
    (folder / "less.py").write_text("")
    (folder / "submission.toml").write_text(GOOD + ABLATION)
    found = read(folder)
    assert [item.label for item in choose(found, [], ["tuned"])] == ["mine/tuned"]
    assert [item.label for item in choose(found, ["mine"])] == ["mine"]
    assert [item.label for item in choose(found, ["mine", "mine/less"])] == ["mine", "mine/less"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[variants.default]\nrate = 0.5\n", r"variants.default must not be defined"),
        ('[variants.less]\nentry = "less:Less"\n', r"entry 'less:Less' needs the file .*less.py, which does not exist"),
        ("[variants.less]\nrole = 0.5\n", r"variants.less: key 'role'"),
        ('[variants.less]\nrole = "hidden"\n', r"variants.less: key 'role'"),
        ("[variants.less]\ntitle = 3\n", r"variants.less: key 'title'"),
        ("[variants.less]\nneeds = { time = true }\n", r"variants.less: unknown key 'time' in \[needs\]"),
        (
            '[variants.less]\nextends = "default"\n',
            r"extends must be a list of variants defined before it: default",
        ),
        (
            '[variants.less]\nextends = ["less"]\n',
            r"extends must be a list of variants defined before it: default",
        ),
        ("[search]\ntitle = { low = 1, high = 2 }\n", r"search.title: this name is reserved"),
        ("[variants.less.search]\nrate = { low = 1 }\n", r"variants.less: search.rate needs `choices`, or both"),
    ],
)
def test_a_wrong_variant_is_one_sentence(folder: Path, text: str, words: str) -> None:
    (folder / "submission.toml").write_text(GOOD + text)
    with pytest.raises(UsageError, match=words) as caught:
        read(folder)
    assert str(folder / "submission.toml") in str(caught.value)


def test_code_may_lie_in_a_folder_beside_it(folder: Path) -> None:
    other = folder.parent / "less"
    other.mkdir()
    text = GOOD.replace('name = "mine"', 'name = "less"').replace("method:Mine", "method:Less")
    (other / "submission.toml").write_text(text + 'code = "mine"\n')
    whole, less = read(folder)[0], read(other)[0]
    assert (less.name, less.entry, less.folder) == ("less", "method:Less", folder.resolve())
    assert less.source_hash == whole.source_hash
    (other / "submission.toml").write_text(text + 'code = "yours"\n')
    with pytest.raises(UsageError, match=r"needs the file .*yours/method.py, which does not exist"):
        read(other)


@pytest.mark.parametrize("name", ["json", "torch", "unlearnbench"])
def test_a_name_that_another_package_has_is_refused(folder: Path, name: str) -> None:
    clash = folder.rename(folder.parent / name)
    (clash / "submission.toml").write_text(GOOD.replace('"mine"', f'"{name}"'))
    with pytest.raises(UsageError, match=f"'{name}' is also the name of another Python package: choose another name"):
        read(clash)


def test_what_was_chosen_with_true_labels_is_never_ranked(folder: Path) -> None:
    (folder / "submission.toml").write_text(GOOD + "[variants.oracle]\nrate = 0.5\n")
    assert [item.role for item in read(folder)] == ["ranked", "reference"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("{ low = 1 }", "needs `choices`, or both `low` and `high`"),
        ("{}", "needs `choices`, or both `low` and `high`"),
        ("{ choices = [1, 2], low = 0 }", "not both"),
        ("{ low = 2, high = 1 }", "needs low < high"),
        ("{ low = 0.0, high = 1.0, log = true }", "needs low > 0"),
        ("{ choices = [1] }", "choices"),
        ("{ lowest = 1 }", "lowest"),
    ],
)
def test_a_wrong_search_space_is_one_sentence(folder: Path, values: str, words: str) -> None:
    (folder / "submission.toml").write_text(GOOD + f"[search]\nrate = {values}\n")
    with pytest.raises(UsageError, match=words) as caught:
        read(folder)
    assert str(folder / "submission.toml") in str(caught.value)
    assert "search.rate" in str(caught.value)


def test_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "labels.py").symlink_to(tmp_path / "labels")
    with pytest.raises(UsageError, match=r"labels.py is a symbolic link: replace it by a copy"):
        read(folder)


def test_more_than_code_takes_is_refused(folder: Path) -> None:
    (folder / "labels.txt").write_text("3" * 2**18)
    with pytest.raises(
        UsageError,
        match=r"has 257 KiB, more than the allowed 256 KiB: remove what is not code; code of others goes to vendor/",
    ):
        read(folder)


def test_code_of_others_has_a_folder_and_a_limit_of_its_own(folder: Path) -> None:
    before = read(folder)[0].source_hash
    (folder / "vendor" / "lib").mkdir(parents=True)
    (folder / "vendor" / "lib" / "code.py").write_text("#" * 2**22)
    assert read(folder)[0].source_hash != before
    (folder / "vendor" / "lib" / "more.py").write_text("#")
    with pytest.raises(
        UsageError, match=r"vendor has 4097 KiB, more than the allowed 4096 KiB: remove what is not code"
    ):
        read(folder)


def test_vendored_bytes_are_refused(folder: Path) -> None:
    (folder / "vendor").mkdir()
    (folder / "vendor" / "weights.bin").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"weights.bin is not a text file"):
        read(folder)
