"""What a submission requires is checked before a run, is part of the key, and stands in the record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.submission import install_package
from unlearnbench.boundary.isolation import refuse_invisible
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.datasets import load
from unlearnbench.problems.suite import Suite
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.run import run_suite
from unlearnbench.running.setup import Setup
from unlearnbench.running.trial import _check_installed
from unlearnbench.store.results import planned_trials, runs_by_key
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, locations, read
from unlearnbench.submissions.requirements import check_requirement, installed_versions
from unlearnbench.verify.rerun import rerun

Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a version of the package `torchforget`; what was installed before is replaced."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return partial(install_package, tmp_path / "site")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("torchforget ==", 'is not a requirement: write "name==version"'),
        ("torchforget @ https://example.org/a.whl", "has a URL or extras"),
        ("torchforget[fast]==1.0", "has a URL or extras"),
    ],
)
def test_what_cannot_be_checked_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        check_requirement(text, "mine/submission.toml")
    assert str(caught.value).startswith("mine/submission.toml: requires: ")


def test_versions_are_those_installed(install: Install) -> None:
    install("0.1.1")
    assert installed_versions("mine", ["Torchforget>=0.1", "nothing; python_version < '3'"]) == {"torchforget": "0.1.1"}
    install("0.2rc1")
    assert installed_versions("mine", ["torchforget"]) == {"torchforget": "0.2rc1"}


def test_all_that_is_missing_is_named_with_the_command_that_installs_it(install: Install) -> None:
    install("0.1.1")
    with pytest.raises(UsageError) as caught:
        installed_versions("mine", ["torchforget==0.2; python_version > '3'", "not_there>=1"])
    assert str(caught.value).startswith(
        "submission 'mine' requires torchforget==0.2, but 0.1.1 is installed; not_there>=1, which is not installed:"
        " install it with `"
    )
    assert str(caught.value).endswith(" -m pip install 'torchforget==0.2' 'not_there>=1'`, or run with --environments")


def test_an_editable_package_has_no_version_that_says_which_code_runs(install: Install) -> None:
    origin = {"url": "file:///somewhere", "dir_info": {"editable": True}}
    (install("0.1.1") / "direct_url.json").write_text(json.dumps(origin))
    with pytest.raises(UsageError, match="installed in editable mode"):
        installed_versions("mine", ["torchforget"])


def test_strict_refuses_a_package_that_trials_would_not_see(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path, install: Install, store: Store
) -> None:
    install("0.1.1")
    submission = replace(make_submission("mine", "return problem.original()"), requires=("torchforget",))
    assert locations([submission]) == {"torchforget": tmp_path / "site"}
    refuse_invisible(locations([replace(submission, requires=("torch",))]))
    with pytest.raises(UsageError, match=r"'strict' does not show .*/site, with package 'torchforget', to trials"):
        run_suite(tiny_suite, [submission], store, tmp_path / "data", isolation="strict")
    assert not (tmp_path / "data").exists()


def planned(submission: Submission, suite: Suite, data: Path) -> PlannedTrial:
    dataset = load("digits", data, train_size=200, test_size=60)
    return plan(Setup(suite, "cpu", "float32", "process"), dataset, [submission])[0]


def test_the_key_follows_the_installed_version(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path, install: Install
) -> None:
    submission = make_submission("mine", "return problem.original()")
    requiring = replace(submission, requires=("torchforget",))
    keys = [planned(submission, tiny_suite, tmp_path).key]
    for version in ("0.1.1", "0.1.2", "0.1.1"):
        install(version)
        keys.append(planned(requiring, tiny_suite, tmp_path).key)
    assert len(set(keys)) == 3
    assert keys[1] == keys[3]


def test_a_package_that_changes_during_a_run_ends_it(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path, install: Install
) -> None:
    install("0.1.1")
    submission = replace(make_submission("mine", "return problem.original()"), requires=("torchforget",))
    trial = planned(submission, tiny_suite, tmp_path)
    _check_installed(trial)
    install("0.1.2")
    with pytest.raises(HarnessError, match=r"of the plan \(torchforget 0.1.1, now torchforget 0.1.2\)"):
        _check_installed(trial)


def test_a_run_is_refused_until_the_package_is_there_and_runs_again_with_another_version(
    tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path, install: Install
) -> None:
    written = make_submission("mine", "return problem.original()").folder
    assert written is not None
    manifest = written / "submission.toml"
    manifest.write_text('requires = ["torchforget"]\n' + manifest.read_text())
    submissions, data = read(written), tmp_path / "data"
    with Store(str(tmp_path / "results.db")) as store:
        with pytest.raises(UsageError, match="requires torchforget, which is not installed"):
            run_suite(tiny_suite, submissions, store, data, workers=1)
        assert not data.exists()
        install("0.1.1")
        first = run_suite(tiny_suite, submissions, store, data, workers=1)
        assert run_suite(tiny_suite, submissions, store, data, workers=1).ran == 0
        (run,) = runs_by_key(store.engine, [first.run_id])
        assert run.versions["torchforget"] == "0.1.1"
        (trial,) = planned_trials(store.engine, [first.run_id])
        fields = {field.name: field for field in rerun(store, trial.trial.trial_key, [written.parent], data)}
        assert (fields["torchforget"].stored, fields["torchforget"].again) == ("0.1.1", "0.1.1")
        assert all(field.equal is not False for field in fields.values())
        install("0.1.2")
        with pytest.raises(UsageError, match=r"run with torchforget 0.1.1, but 0.1.2 is installed: install it with"):
            rerun(store, trial.trial.trial_key, [written.parent], data)
        assert run_suite(tiny_suite, submissions, store, data, workers=1).ran == 1
