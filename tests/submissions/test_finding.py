"""Submissions are read as data, and a wrong one is named."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.submissions.mine import GOOD
from tests.tiny import tiny
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.submissions.choosing import choose, choose_for
from unlearnbench.submissions.finding import Submission, discover, find_changed, packages, read
from unlearnbench.submissions.sources import hash_sources


def test_reading_runs_no_code_and_every_variant_is_a_submission(folder: Path) -> None:
    (folder / "submission.toml").write_text(GOOD + "[variants.hard]\nrate = 0.5\n")
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
        ('"mine"', '"yours"', "must be that of its folder, '"),
        ('title = "Mine"', "title = ", "not a readable TOML file"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_place(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "submission.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError, match=message) as caught:
        read(folder)
    assert str(folder / "submission.toml") in str(caught.value)


def test_the_source_hash_follows_code_and_not_metadata(folder: Path) -> None:
    before = hash_sources(folder)
    (folder / "submission.toml").write_text(GOOD + "# a remark\n")
    (folder / "README.md").write_text("words")
    assert hash_sources(folder) == before
    (folder / "helper.py").write_text("x = 1")
    with_helper = hash_sources(folder)
    (folder / "helper.py").write_text("x = 2")
    assert len({before, with_helper, hash_sources(folder)}) == 3


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
    assert packages([mine, offered]) == {"offering": "1.0"}
    assert "offering" not in sys.modules
    (site / "offering" / "__init__.py").write_text("changed = True")
    assert discover(tmp_path).submissions[1].source_hash != offered.source_hash


def test_an_installed_method_has_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "offering").mkdir(parents=True)
    (site / "offering" / "__init__.py").touch()
    (site / "offering" / "submission.toml").write_text(
        'name = "other"\ntitle = "T"\nauthors = ["A"]\npaper = ""\nlicense = "MIT"\n'
    )
    information = site / "offering-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[unlearnbench.methods]\nmine = offering:Method\n")
    monkeypatch.syspath_prepend(str(site))
    found = discover(tmp_path / "none")
    assert found.broken["mine"].endswith("submission.toml calls it 'other': give both the same name")


@pytest.fixture
def draft(folder: Path) -> str:
    """A submission beside `mine` that is half written: the sentence that refuses it."""
    (folder.parent / "draft").mkdir()
    (folder.parent / "draft" / "submission.toml").write_text('name = "dra')
    with pytest.raises(UsageError) as refused:
        read(folder.parent / "draft")
    return str(refused.value)


def suite_of(*methods: str) -> Suite:
    return replace(tiny(), methods=methods)


def test_a_broken_folder_is_left_for_who_asks_for_it(folder: Path, draft: str) -> None:
    found = discover(folder.parent)
    assert [item.name for item in found] == ["mine"]
    assert found.broken == {"draft": draft}
    for name in ("draft", "draft/tuned"):
        with pytest.raises(UsageError) as refused:
            choose_for(suite_of(), found, [name])
        assert str(refused.value) == draft
    assert choose_for(suite_of(), found, ["mine"]) == ([*found], {}), "mine alone was asked for"


def test_what_a_suite_leaves_out_is_said(folder: Path, draft: str) -> None:
    found = discover(folder.parent)
    assert choose_for(suite_of(), found) == ([*found], {"draft": draft})
    assert choose_for(suite_of("mine", "draft/tuned"), found) == ([*found], {"draft": draft})
    assert choose_for(suite_of("mine"), found) == ([*found], {}), "the suite is complete"
    with pytest.raises(UsageError, match=r"no method is left to run: .*draft/submission.toml: not a readable"):
        choose_for(suite_of("draft"), found)


def test_clutter_beside_submissions_is_no_submission(folder: Path) -> None:
    for name in (".ipynb_checkpoints", "._mine", ".#mine", "mine~", "@eaDir"):
        (folder.parent / name).mkdir()
        (folder.parent / name / "submission.toml").write_text("half = ")
    (folder / ".#submission.toml").symlink_to("somebody@host.1234")
    found = discover(folder.parent)
    assert ([item.name for item in found], found.broken) == (["mine"], {})


def test_a_folder_that_cannot_be_read_is_broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "part").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if Path(path).name == "part":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root may read every folder
    sentence = f"{folder / 'part'} cannot be read (Permission denied): make it readable, or remove it"
    assert discover(folder.parent).broken == {"mine": sentence}


def test_a_broken_installed_method_stops_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    information = site / "offering-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
    (site / "offering.py").touch()
    (information / "entry_points.txt").write_text(
        "[unlearnbench.methods]\nmy-method = offering:Method\ngone = gone_package:Method\n"
        "twice = offering:Method\nmine = offering:Method\n"
    )
    monkeypatch.syspath_prepend(str(site))
    found = discover(tmp_path)
    assert [item.name for item in found] == ["twice"]
    assert "'my-method'" in found.broken["my-method"]
    assert (
        found.broken["gone"] == "installed method 'gone': its package 'gone_package' cannot be found; install it again"
    )
    assert found.broken["mine"] == "2 submissions are called 'mine': rename or uninstall all but one"


def test_what_is_broken_counts_as_changed(folder: Path, draft: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = shutil.copytree(folder, tmp_path_factory.mktemp("before") / "mine").parent
    assert find_changed(discover(folder.parent), discover(before)) == ["draft"]
    (before / "mine" / "submission.toml").write_text("half = ")
    assert find_changed(discover(folder.parent), discover(before)) == ["draft", "mine"]


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
    with pytest.raises(UsageError, match=r"unknown method 'three' \(all: one, two"):
        choose(submissions, ["three"])


def test_an_ablation_is_chosen_by_name_only(make_submission: Callable[..., Submission]) -> None:
    one, two = (make_submission(name, "return None") for name in ("one", "two"))
    ablation = replace(two, role="ablation")
    assert choose([one, ablation], []) == [one]
    assert choose([one, ablation], ["two"]) == [ablation]


def test_two_submissions_can_be_imported_beside_each_other(
    make_submission: Callable[..., Submission], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first_mine", "second_mine"):
        submission = make_submission(name, "return None", before="from .helper import NAME")
        assert submission.folder is not None
        (submission.folder / "helper.py").write_text(f"NAME = '{name}'\n")
    assert submission.folder is not None
    monkeypatch.syspath_prepend(str(submission.folder.parent))
    for name in ("first_mine", "second_mine"):
        assert name == importlib.import_module(f"{name}.method").NAME
