"""Suites and submissions are looked for in the working directory first, then among what comes with the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import unlearnbench
from tests.submission import NOTHING, written
from tests.tiny import tiny_toml
from unlearnbench.boundary import isolation
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite_file import differs_from_shipped, find, find_if_any, parse, suite_files
from unlearnbench.submissions.finding import differing_from_shipped, discover, read, read_one
from unlearnbench.submissions.template import start
from unlearnbench.system import machine, shipped

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that comes with one suite and one submission; the working directory is empty."""
    inside = tmp_path / "_shipped"
    (inside / "suites").mkdir(parents=True)
    (inside / "suites/tiny.toml").write_text(tiny_toml())
    written(inside / "submissions", "theirs", NOTHING)
    monkeypatch.setattr(shipped, "INSIDE", inside)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return inside


def names(*folders: Path) -> list[str]:
    return [item.name for item in discover(*folders) if item.folder is not None]


def test_a_checkout_ships_the_folders_beside_the_package() -> None:
    assert shipped.shipped("suites") == ROOT / "suites"
    assert shipped.places("submissions") == (Path("submissions"), ROOT / "submissions")


def test_what_is_here_comes_first_and_a_given_folder_is_the_only_one(package: Path) -> None:
    places = shipped.places("suites")
    assert find("tiny", *places) == package / "suites/tiny.toml"
    assert list(suite_files(*places)) == ["tiny"]
    Path("suites").mkdir()
    Path("suites/tiny.toml").write_text(tiny_toml(seeds=[7]))
    assert find("tiny", *places) == suite_files(*places)["tiny"] == Path("suites/tiny.toml")
    (package / "suites/tiny.toml").rename(package / "suites/other.toml")
    assert find_if_any("other", *shipped.places("suites", "suites")) is None
    with pytest.raises(UsageError, match=r"unknown suite 'none' in suites and .*_shipped/suites .all: other, tiny"):
        find("none", *places)
    written(Path("submissions"), "mine", NOTHING)
    assert names(*shipped.places("submissions")) == ["mine", "theirs"]
    assert names(*shipped.places("submissions", "submissions")) == ["mine"]
    assert [item.name for item in read_one("theirs")] == ["theirs"]


def test_another_suite_or_submission_under_a_shipped_name_is_noticed(package: Path) -> None:
    copy = shutil.copy(package / "suites/tiny.toml", "tiny.toml")
    assert not differs_from_shipped(parse(Path(copy)))
    Path(copy).write_text(tiny_toml(seeds=[7]))
    assert differs_from_shipped(parse(Path(copy)))
    shutil.copytree(package / "submissions", "submissions")
    places = shipped.places("submissions")
    assert differing_from_shipped(discover(*places)) == []
    written(Path("submissions"), "mine", NOTHING)
    with Path("submissions/theirs/method.py").open("a") as file:
        file.write("# changed\n")
    assert names(*places) == ["mine", "theirs"]
    assert differing_from_shipped(discover(*places)) == ["theirs"]


def test_a_suite_extends_and_a_submission_takes_code_from_what_is_shipped(package: Path) -> None:
    Path("mine.toml").write_text('extends = "tiny"\nname = "mine"\ntitle = "Mine"\nseeds = [5]\n')
    assert parse(Path("mine.toml")).seeds == (5,)
    Path("mine.toml").write_text('extends = "tinny"\nname = "mine"\ntitle = "Mine"\n')
    with pytest.raises(UsageError, match=r"unknown suite 'tinny' in . and .*: did you mean 'tiny'"):
        parse(Path("mine.toml"))
    mine = written(Path("submissions"), "mine", NOTHING)
    manifest = Path("submissions/mine/submission.toml")
    manifest.write_text('code = "theirs"\n' + manifest.read_text())
    (theirs,) = read(package / "submissions/theirs")
    (found,) = read(Path("submissions/mine"))
    assert found.source_hash == theirs.source_hash
    assert (found.folder, mine.name) == (theirs.folder, found.name)


def test_the_name_of_a_shipped_submission_is_taken(package: Path) -> None:
    with pytest.raises(UsageError, match="'theirs' is the name of a submission that comes with unlearnbench"):
        start("theirs", Path("submissions"))
    assert not Path("submissions").exists()


def test_a_trial_at_strict_sees_nothing_of_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "visible", lambda device="cpu", environment=None: [tmp_path])
    inside = tmp_path / "unlearnbench/_shipped"
    monkeypatch.setattr(isolation, "INSIDE", inside)
    with pytest.raises(UsageError, match=r"shows .* to trials"):
        isolation.refuse_visible([inside / "suites"])
    inside.mkdir(parents=True)
    isolation.refuse_visible([inside / "suites"])
    words = isolation.sandbox_command()
    assert words[words.index(str(inside)) - 1 :][:4] == ["--tmpfs", str(inside), "--remount-ro", str(inside)]
    with pytest.raises(UsageError, match=r"shows .* to trials"):
        isolation.refuse_visible([tmp_path / "results.db"])


def test_the_revision_of_an_installed_package_is_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.revision() != unlearnbench.__version__, "a checkout has one of git's"
    monkeypatch.setattr(machine, "PACKAGE", tmp_path / "site-packages/unlearnbench")
    (tmp_path / ".git").mkdir()  # a repository of the user around it says nothing
    assert machine.revision() == unlearnbench.__version__
