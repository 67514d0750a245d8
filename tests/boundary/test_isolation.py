"""What a trial sees of the machine at level `strict`, and that nothing private may lie there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.boundary.test_hostile import need_strict
from unlearnbench.boundary import isolation
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import embedded
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission

SEE = """
import json
places = json.loads({places!r})
print("SEEN " + json.dumps({{place: sorted(os.listdir(place)) for place in places if os.path.isdir(place)}}))
sys.exit(1)
"""


def seen(places: list[str], make: Callable[..., Submission], suite: Suite, folder: Path) -> dict[str, list[str]]:
    """The content of folders, as a trial sees it."""
    spy = make("spy", SEE.format(places=json.dumps(places)).strip())
    with Store(str(folder / "results.db")) as store:
        run_suite(suite, [spy], store, folder, isolation="strict")
        with Session(store.engine) as session:
            detail = session.scalars(select(TrialRow)).one().detail or ""
    found: dict[str, list[str]] = json.loads(detail.partition("SEEN ")[2].splitlines()[0])
    return found


def test_a_trial_sees_python_and_not_what_lies_beside_it(
    make_submission: Callable[..., Submission],
    tiny_suite: Suite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A virtual environment in the folder of a project has the store, the data and the suites beside it."""
    need_strict()
    project = tmp_path / "project"
    for name in ("bin", "lib", "data", "suites"):
        (project / name).mkdir(parents=True)
    (project / "results.db").touch()
    copy = project / "lib" / "python3.99" / "site-packages" / "sklearn" / "datasets" / "data"
    copy.mkdir(parents=True)
    (copy / "digits.csv.gz").touch()
    monkeypatch.setattr(isolation, "prefixes", lambda _: {sys.prefix, sys.base_prefix, str(project)})
    places = ["/", "/usr/share", "/proc", str(project), str(copy), str(embedded()), sys.prefix]
    found = seen(places, make_submission, tiny_suite, tmp_path)
    assert found[str(project)] == ["bin", "lib"]
    assert found[str(copy)] == found[str(embedded())] == []
    assert set(found[sys.prefix]) <= {*isolation.PREFIX}
    assert found.get("/usr/share", ["zoneinfo"]) == ["zoneinfo"]
    assert {name for name in found["/proc"] if not name.isdigit()} >= isolation.PROC - {"mounts"}
    assert set(found["/"]) <= {"dev", "given", "proc", "tmp", *(path.parts[1] for path in isolation.visible())}


@pytest.mark.parametrize("place", [f"{sys.prefix}/lib/results.db", "/usr/lib/data", str(embedded())])
def test_private_files_must_not_lie_in_sight(place: str) -> None:
    need_strict()
    with pytest.raises(UsageError, match=r"isolation 'strict' shows .* to trials, and with it .*: move it to another"):
        Boundary("strict", private=[Path(place)]).__enter__()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_does_not_start_inside_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    need_strict()
    monkeypatch.setattr("unlearnbench.boundary.servers.device", lambda: "cuda")
    words = (
        r"isolation 'strict' does not work here: no GPU is visible within the sandbox \(.*(CUDA|NVIDIA).*\): set"
        r" CUDA_VISIBLE_DEVICES= \(empty\) to run on the CPU, or use --isolation process"
    )
    with pytest.raises(UsageError, match=words), Boundary("strict"):
        pass


def test_private_files_elsewhere_are_fine(tmp_path: Path) -> None:
    need_strict()
    with Boundary("strict", private=[tmp_path, Path(sys.prefix) / "results.db"]):
        pass
