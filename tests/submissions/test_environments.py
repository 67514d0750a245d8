"""How a submission gets an environment of its own: when, of what, by whom, and what is said where it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.submissions.fake_uv import calls, program
from tests.tiny import tiny
from unlearnbench import run
from unlearnbench.boundary import isolation
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.executors import Start
from unlearnbench.running.run import Progress, run_suite
from unlearnbench.store.store import Store
from unlearnbench.submissions import environments
from unlearnbench.submissions.environments import OLDEST, PACKAGE, with_environments
from unlearnbench.submissions.finding import Submission, locations, packages
from unlearnbench.submissions.requirements import applying, installed_versions, site_packages
from unlearnbench.verify.debug import debug

Make = Callable[..., Submission]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a program in the place of uv. What it builds is not tried out, which takes seconds."""
    folder = tmp_path / "programs"
    found = program(folder)
    monkeypatch.setattr(environments, "_uv", lambda: str(found))
    monkeypatch.setattr(environments, "TRIED", "import unlearnbench")
    return folder


@pytest.fixture
def requiring(make_submission: Make) -> Submission:
    return replace(make_submission("mine", "return problem.original()"), requires=("torchforget==0.2", "numpy<2"))


def built(submission: Submission, folder: Path) -> Path:
    (found,) = with_environments([submission], folder, "resnet9")
    assert found.environment is not None
    return found.environment


def test_only_what_does_not_fit_gets_an_environment(requiring: Submission, uv: Path, tmp_path: Path) -> None:
    fitting = replace(requiring, name="fitting", requires=(f"numpy=={version('numpy')}",))
    said = list[str]()
    first, second = with_environments([fitting, requiring], tmp_path / "environments", "resnet9", said.append)
    assert first == fitting
    assert second.environment is not None
    assert second.environment.parent == tmp_path / "environments"
    assert said == ["building the environment of 'mine'"]
    assert len(calls(uv)) == 3
    assert built(requiring, tmp_path / "environments") == second.environment
    assert len(calls(uv)) == 3, "it was there"


def test_an_environment_links_to_this_package(requiring: Submission, uv: Path, tmp_path: Path) -> None:
    """A copy of it would go stale."""
    (packages,) = site_packages(built(requiring, tmp_path))
    assert (Path(packages) / "unlearnbench").resolve() == PACKAGE.resolve()


def test_versions_are_those_inside(requiring: Submission, uv: Path, tmp_path: Path) -> None:
    place = built(replace(requiring, requires=("torchforget==0.2", "numpy==1.26.4")), tmp_path)
    versions = {"numpy": "1.26.4", "torchforget": "0.2"}
    assert installed_versions("mine", ["torchforget"], place) == versions, "NumPy is named where it differs"
    named = replace(requiring, requires=("torchforget", "psutil"), environment=place)
    also = {"psutil": version("psutil")}
    assert packages([named]) == {f"mine: {name}": found for name, found in (versions | also).items()}
    assert locations([named]) == {}
    with pytest.raises(UsageError, match=rf"requires torchforget==0.3, but 0.2 is .* remove {place}, and it is built"):
        installed_versions("mine", ["torchforget==0.3"], place)


def test_torch_is_that_of_the_harness_and_the_rest_too_where_it_fits(
    requiring: Submission, uv: Path, tmp_path: Path
) -> None:
    place = built(requiring, tmp_path)
    chosen = (place / "requires.txt").read_text().splitlines()
    assert {f"{name}=={version(name)}" for name in OLDEST} <= set(chosen)
    wanted = (place / "requires.in").read_text().splitlines()
    assert {"torchforget==0.2", "numpy<2", f"torch=={version('torch')}", f"numpy>={OLDEST['numpy']}"} <= set(wanted)
    assert f"torch=={version('torch')}" not in environments._wanted(applying(["Torch<2.9"]))


def test_each_environment_has_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(*requires: str) -> str:
        return environments._key(applying(requires))

    same = key("a==1", "b")
    assert key("b", "a==1; python_version > '3'", "c; python_version < '3'") == same
    others = {same, key("a==1"), key("a==2", "b")}
    monkeypatch.setattr(environments, "version", lambda name: "9.9")
    others.add(key("a==1", "b"))
    monkeypatch.setattr(environments, "PACKAGE", Path("/elsewhere/unlearnbench"))
    others.add(key("a==1", "b"))
    assert len(others) == 5


def test_two_harnesses_build_one(
    requiring: Submission, uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, begun = environments._build, list[Path]()

    def slowly(place: Path, *rest: object) -> None:
        begun.append(place)
        time.sleep(0.5)
        build(place, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(environments, "_build", slowly)
    found = list[Path]()
    threads = [threading.Thread(target=lambda: found.append(built(requiring, tmp_path / "all"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun == found[:1]
    assert found[0] == found[1]


def test_what_a_killed_harness_left_is_built_again(requiring: Submission, uv: Path, tmp_path: Path) -> None:
    left = tmp_path / f"{environments._key(applying(requiring.requires))}.part"
    (left / "bin").mkdir(parents=True)
    assert built(requiring, tmp_path).exists()
    assert not left.exists()


def test_a_build_that_fails_is_one_sentence_and_leaves_nothing(
    requiring: Submission, uv: Path, tmp_path: Path, tiny_suite: Suite, store: Store
) -> None:
    (uv / "broken").touch()
    stages = list[str]()

    def watch(progress: Progress) -> None:
        stages.append(progress.stage)

    words = r"^the environment of submission 'mine' cannot be built: uv says: x No solution found: because torchforget"
    with pytest.raises(UsageError, match=words):
        run_suite(tiny_suite, [requiring], store, tmp_path / "data", environments=tmp_path / "all", watch=watch)
    assert stages == ["building the environment of 'mine'"]
    assert [file.suffix for file in (tmp_path / "all").iterdir()] == [".lock"]
    assert not (tmp_path / "data").exists()


def test_an_environment_that_cannot_run_a_trial_is_not_kept(
    requiring: Submission, uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "TRIED", "import torchforget")
    with pytest.raises(UsageError, match=r"python says: .* ModuleNotFoundError: No module named 'torchforget'"):
        built(requiring, tmp_path)
    assert [file.suffix for file in tmp_path.glob("*.*")] == [".lock"]


def test_without_uv_the_run_says_how_to_get_it(
    requiring: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    with pytest.raises(UsageError, match=r"needs uv: pip install 'unlearnbench\[environments\]', or put"):
        built(requiring, tmp_path)


def test_what_has_no_environment_is_refused(requiring: Submission, uv: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="installed method 'mine' cannot have an environment of its own: install"):
        built(replace(requiring, sources=None), tmp_path)
    with pytest.raises(UsageError, match="architecture 'plain' is of an installed package, which the environment of"):
        with_environments([requiring], tmp_path, "plain")
    with pytest.raises(UsageError, match=r"'mine' requires torchforget==0.2, numpy<2, which is not installed here"):
        debug(tiny(), tiny(), requiring, tmp_path)
    assert calls(uv) == []


def test_the_nodes_of_a_cluster_have_none() -> None:
    elsewhere: Start = lambda *_: pytest.fail("a run began")  # noqa: E731
    with pytest.raises(UsageError, match="the nodes of a cluster would not have what it builds"):
        run("digits", environments=True, executor=elsewhere)


def test_a_trial_sees_the_environment_and_not_that_of_the_harness(
    requiring: Submission, uv: Path, tmp_path: Path
) -> None:
    place = built(requiring, tmp_path / "data" / "environments")
    seen = isolation.visible(environment=place)
    assert {place / "bin", place / "lib", place / "pyvenv.cfg", PACKAGE} <= set(seen)
    assert not [path for path in seen if path.is_relative_to(sys.prefix)] or sys.prefix == sys.base_prefix
    isolation.refuse_visible([tmp_path / "data", place.parent / "store.db"], place)
    with pytest.raises(UsageError, match=f"shows {place / 'lib'} to trials"):
        isolation.refuse_visible([place / "lib" / "store.db"], place)


IMPORTS = """
import builtins, json, sys
found, before = set(), builtins.__import__
def watched(name, *rest):
    if rest and rest[0] and rest[0].get("__name__", "").startswith("unlearnbench") and not (rest[3:] and rest[3]):
        found.add(name.partition(".")[0])
    return before(name, *rest)
builtins.__import__ = watched
import unlearnbench.boundary.server
from unlearnbench.problems.registry import ARCHITECTURES
for name in ARCHITECTURES.own:
    ARCHITECTURES.find(name)
print(json.dumps(sorted(found - sys.stdlib_module_names - {"unlearnbench"})))
"""


def test_an_environment_has_exactly_what_a_trial_imports() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == sorted(name.replace("-", "_") for name in OLDEST)


def test_the_documents_state_the_oldest_versions() -> None:
    words = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    names = {"torch": "torch", "numpy": "NumPy"}
    stated = [f"{title} {OLDEST[name].removesuffix('.0')}" for name, title in names.items()]
    assert f"Python 3.11, {' and '.join(stated)}" in words
