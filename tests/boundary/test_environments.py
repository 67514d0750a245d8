"""Trials in an environment of its own, at both levels: the same problem goes in, the same weights come out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.boundary.test_hostile import need_strict
from tests.submission import TUNE
from tests.submissions.fake_uv import packages_of_harness, program
from unlearnbench.boundary import isolation
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.results import planned_trials, runs_by_key
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions import environments
from unlearnbench.submissions.choosing import choose
from unlearnbench.submissions.environments import OLDEST
from unlearnbench.submissions.finding import Submission, discover, read
from unlearnbench.verify.rerun import rerun
from unlearnbench.verify.validate import validate

Make = Callable[..., Submission]
ROOT = Path(__file__).parents[2]
WHERE = "import numpy\nprint('RAN', sys.prefix, torch.__version__, numpy.__version__)\n"


def required(submission: Submission, *requires: str) -> Submission:
    """The same submission, with `requires` in its submission.toml."""
    assert submission.folder is not None
    manifest = submission.folder / "submission.toml"
    rest = [line for line in manifest.read_text().splitlines() if not line.startswith("requires")]
    manifest.write_text("\n".join([f"requires = {list(requires)}", *rest]))
    return read(submission.folder)[0]


def ran(suite: Suite, submissions: list[Submission], store: Store, data: Path, level: Isolation) -> dict[str, TrialRow]:
    """The records of a run with environments, by submission."""
    run = run_suite(suite, submissions, store, data, environments=data / "environments", isolation=level, workers=1)
    trials = planned_trials(store.engine, [run.run_id])
    return {trial.submission.name: trial.record for trial in trials if trial.record is not None}


@pytest.mark.parametrize("level", [pytest.param("process", marks=pytest.mark.slow), "strict"])
def test_the_weights_are_those_of_the_harness(
    level: Isolation,
    make_submission: Make,
    tiny_suite: Suite,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if level == "strict":
        need_strict()
    uv, prefixes = program(tmp_path / "programs"), isolation.prefixes
    monkeypatch.setattr(environments, "_uv", lambda: str(uv))
    borrowed = str(Path(packages_of_harness()).parents[2])  # where the stand-in for uv has torch from
    monkeypatch.setattr(isolation, "prefixes", lambda environment=None: {*prefixes(environment), borrowed})
    here = make_submission("here", TUNE)
    alone = required(
        make_submission("alone", f"{WHERE}assert 'environments' in sys.prefix\n{TUNE}"), "torchforget==0.2"
    )
    with pytest.raises(UsageError, match=r"requires torchforget==0.2, which is not installed: .*, or run with --env"):
        run_suite(tiny_suite, [alone], store, tmp_path, isolation=level)
    records = ran(tiny_suite, [here, alone], store, tmp_path, level)
    assert {record.state for record in records.values()} == {"finished"}, records["alone"].detail
    assert records["here"].weights_hash == records["alone"].weights_hash
    (run,) = runs_by_key(store.engine, [records["alone"].run_id])
    assert run.versions["alone: torchforget"] == "0.2"
    assert ran(tiny_suite, [here, alone], store, tmp_path, level).keys() == records.keys()
    if level == "process":
        assert alone.folder is not None
        again = rerun(
            store, records["alone"].key, [alone.folder.parent], tmp_path, environments=tmp_path / "environments"
        )
        assert [item.name for item in again if item.equal is False] == []
        assert [item.stored for item in again if item.name == "alone: torchforget"] == ["0.2"]
        required(alone, "torchforget==0.3")
        with pytest.raises(UsageError, match=r"was run with torchforget 0.2, but 0.3 is installed: name it in `requi"):
            rerun(store, records["alone"].key, [alone.folder.parent], tmp_path, environments=tmp_path / "environments")


@pytest.fixture
def need_uv() -> None:
    """Skip where uv is not installed; where the project is checked, it must be."""
    try:
        environments._uv()
    except UsageError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.usefixtures("need_uv")
class TestWithUv:
    """These download packages: some gigabytes, if uv does not have them already."""

    @pytest.mark.parametrize("level", ["process", "strict"])
    def test_finetune_with_an_old_numpy(
        self, level: Isolation, tiny_suite: Suite, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if level == "strict":
            need_strict()
        (finetune,) = choose(discover(ROOT / "submissions"), ["finetune"])
        alone = replace(finetune, name="alone", requires=("numpy<2",))
        records = ran(tiny_suite, [finetune, alone], store, tmp_path, level)
        assert {record.state for record in records.values()} == {"finished"}, records["alone"].detail
        assert records["finetune"].weights_hash == records["alone"].weights_hash
        (run,) = runs_by_key(store.engine, [records["alone"].run_id])
        assert int(version("numpy").partition(".")[0]) >= 2
        assert run.versions["numpy"] == version("numpy")
        assert run.versions["alone: numpy"].startswith("1.")
        assert "alone: torch" not in run.versions, "it is that of the harness"

    @pytest.mark.parametrize("level", ["process", "strict"])
    def test_the_oldest_versions(
        self, level: Isolation, tiny_suite: Suite, make_submission: Make, store: Store, tmp_path: Path
    ) -> None:
        if level == "strict":
            need_strict()
        oldest = [f"{name}=={version}" for name, version in OLDEST.items()]
        alone = required(make_submission("alone", f"{WHERE}{TUNE}"), *oldest)
        (record,) = ran(tiny_suite, [alone], store, tmp_path, level).values()
        assert record.state == "finished", record.detail
        assert alone.folder is not None
        (check,) = validate(alone.folder, isolation=level, environments=tmp_path / "environments")
        assert check.reason is None
