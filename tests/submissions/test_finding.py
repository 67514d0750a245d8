"""Submissions are read as data, and a wrong one is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.submissions.finding import Submission, choose, discover, read, source_hash

GOOD = """name = "mine"
title = "Mine"
authors = ["A. Author"]
paper = "https://example.org"
license = "Apache-2.0"
entry = "method:Mine"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "submission.toml").write_text(GOOD)
    (folder / "method.py").write_text("raise SystemExit('reading must not run this')")
    return folder


def test_reading_runs_no_code_and_every_variant_is_a_submission(folder: Path) -> None:
    (folder / "submission.toml").write_text(GOOD + "[variants.default]\n[variants.hard]\nrate = 0.5\n")
    default, hard = read(folder)
    assert (default.label, hard.label) == ("mine", "mine/hard")
    assert (default.hyperparameters, hard.hyperparameters) == ({}, {"rate": 0.5})
    assert default.role == "ranked"


def test_who_needs_the_corrupted_indices_is_a_reference(folder: Path) -> None:
    (folder / "submission.toml").write_text(GOOD + "[needs]\ncorrupted_indices = true\n")
    assert read(folder)[0].role == "reference"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Mine"\n', "", "title"),
        ("license", "licence", "licence"),
        ('"method:Mine"', '"method.Mine"', "entry"),
        ('"method:Mine"', '"other:Mine"', "other.py, which does not exist"),
        ('"mine"', '"Mine!"', "name"),
        ('"mine"', '"yours"', "differs from its folder"),
        ('title = "Mine"', "title = ", "not a readable TOML file"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_place(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "submission.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError, match=message) as caught:
        read(folder)
    assert str(folder / "submission.toml") in str(caught.value)


def test_the_source_hash_follows_code_and_not_metadata(folder: Path) -> None:
    before = source_hash(folder)
    (folder / "submission.toml").write_text(GOOD + "# a remark\n")
    (folder / "README.md").write_text("words")
    assert source_hash(folder) == before
    (folder / "helper.py").write_text("x = 1")
    with_helper = source_hash(folder)
    (folder / "helper.py").write_text("x = 2")
    assert len({before, with_helper, source_hash(folder)}) == 3


def test_installed_packages_offer_methods(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "offering").mkdir(parents=True)
    (site / "offering" / "__init__.py").write_text("raise SystemExit('reading must not run this')")
    information = site / "offering-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\nAuthor: B. Author\n")
    (information / "entry_points.txt").write_text("[unlearnbench.methods]\noffered = offering:Method\n")
    monkeypatch.syspath_prepend(str(site))
    mine, offered = discover(tmp_path)
    assert (mine.label, offered.label) == ("mine", "offered")
    assert (offered.entry, offered.folder, offered.authors) == ("offering:Method", None, ("B. Author",))
    assert "offering" not in sys.modules
    (site / "offering" / "__init__.py").write_text("changed = True")
    assert discover(tmp_path)[1].source_hash != offered.source_hash


def test_choose_by_name_or_label(make_submission: Callable[..., Submission]) -> None:
    submissions = [make_submission(name, "return None") for name in ("one", "two")]
    assert choose(submissions, []) == submissions
    assert choose(submissions, ["two"]) == submissions[1:]
    tuned = replace(submissions[0], variant="digits")
    assert choose([*submissions, tuned], [], ["digits"]) == [submissions[1], tuned]
    assert choose([*submissions, tuned], [], ["digits", "default"]) == [*submissions, tuned]
    assert choose([*submissions, tuned], []) == submissions
    assert choose([*submissions, tuned], ["one"], ["digits"]) == [tuned]
    assert choose([*submissions, tuned], ["one/digits", "one/default"]) == [submissions[0], tuned]
    assert choose([replace(tuned, name="odd", variant=name) for name in ("a", "b")], []) != []
    with pytest.raises(UsageError, match=r"unknown method 'three' \(all: one, two"):
        choose(submissions, ["three"])


def test_an_ablation_is_chosen_by_name_only(make_submission: Callable[..., Submission]) -> None:
    one, two = (make_submission(name, "return None") for name in ("one", "two"))
    ablation = replace(two, role="ablation")
    assert choose([one, ablation], []) == [one]
    assert choose([one, ablation], ["two"]) == [ablation]


def test_code_without_variants_of_its_own_has_those_of_its_parent(folder: Path) -> None:
    (folder / "submission.toml").write_text(GOOD + "[variants.default]\n[variants.digits]\nrate = 0.5\n")
    (folder / "less.py").write_text("")
    less = folder.parent / "less"
    less.mkdir()
    text = GOOD.replace('name = "mine"', 'name = "less"').replace("method:Mine", "less:Less") + 'code = "mine"\n'
    (less / "submission.toml").write_text(text)
    assert {item.variant: item.hyperparameters for item in read(less)} == {"default": {}, "digits": {"rate": 0.5}}
    (less / "submission.toml").write_text(text + "[variants.default]\nrate = 0.1\n")
    assert {item.variant: item.hyperparameters for item in read(less)} == {"default": {"rate": 0.1}}


def test_an_ablation_s_code_lies_in_the_folder_beside_it(folder: Path) -> None:
    ablation = folder.parent / "less"
    ablation.mkdir()
    text = GOOD.replace('name = "mine"', 'name = "less"').replace("method:Mine", "method:Less")
    (ablation / "submission.toml").write_text(text + 'code = "mine"\n')
    whole, less = read(folder)[0], read(ablation)[0]
    assert (less.name, less.entry, less.folder) == ("less", "method:Less", folder.resolve())
    assert less.source_hash == whole.source_hash
    (ablation / "submission.toml").write_text(text + 'code = "yours"\n')
    with pytest.raises(UsageError, match=r"needs the file .*yours/method.py, which does not exist"):
        read(ablation)


def test_what_was_chosen_with_true_labels_is_never_ranked(folder: Path) -> None:
    (folder / "submission.toml").write_text(GOOD + "[variants.default]\n[variants.oracle]\nrate = 0.5\n")
    assert [item.role for item in read(folder)] == ["ranked", "reference"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("{ low = 1 }", "needs `choices`, or both `low` and `high`"),
        ("{}", "needs `choices`, or both `low` and `high`"),
        ("{ choices = [1, 2], low = 0 }", "give one or the other"),
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
    with pytest.raises(UsageError, match=r"labels.py is a symbolic link: .* copy what it points to"):
        read(folder)


def test_more_than_code_takes_is_refused(folder: Path) -> None:
    (folder / "labels.bin").write_bytes(bytes(2**18))
    with pytest.raises(UsageError, match=r"holds 257 KiB, more than the 256 KiB .*: remove what is not code"):
        read(folder)
