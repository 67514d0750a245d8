"""The recipes of docs/porting.md run as they stand, each on foreign code in its style, and stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.boundary.test_hostile import need_strict
from tests.submission import NOTHING, written
from tests.tiny import tiny
from unlearnbench.boundary.isolation import Isolation
from unlearnbench.running.run import run_suite
from unlearnbench.store.results import planned_trials
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, read

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/porting.md").read_text()
RECIPES = dict(re.findall(r"^## From (.+?)\n.*?^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
FOREIGN = {
    "a loop over DataLoaders": "loop",
    "the trainer of a library": "library",
    "an entry to a challenge": "entry",
    "a Hugging Face Trainer": "trainer",
}
"""The file in tests/porting that each recipe ports."""


def ported(title: str, folder: Path) -> Submission:
    """The recipe as a submission: its code is the whole of method.py, and the foreign file lies beside it."""
    name = f"ported_{FOREIGN[title]}"
    written(folder, name, NOTHING)
    manifest = folder / name / "submission.toml"
    manifest.write_text(manifest.read_text().replace("method:Method", "method:Ported"))
    (folder / name / "method.py").write_text(RECIPES[title])
    (folder / name / "theirs.py").write_text((ROOT / f"tests/porting/{FOREIGN[title]}.py").read_text())
    return read(folder / name)[0]


def run(titles: list[str], folder: Path, isolation: Isolation) -> dict[str, TrialRow]:
    """The record of each recipe, and of `nothing`, which returns the original."""
    submissions = [ported(title, folder / "submissions") for title in titles]
    submissions.append(written(folder / "submissions", "nothing", NOTHING))
    with Store(str(folder / "results.db")) as store:
        summary = run_suite(tiny(), submissions, store, folder, isolation=isolation)
        trials = planned_trials(store.engine, [summary.run_id])
    return {trial.submission.name: trial.record for trial in trials if trial.record is not None}


def check(records: dict[str, TrialRow], titles: list[str]) -> None:
    assert {name: (record.reason, record.detail) for name, record in records.items() if record.reason} == {}
    for title in titles:
        record = records[f"ported_{FOREIGN[title]}"]
        assert record.weights_hash != records["nothing"].weights_hash, title
        assert record.backward_samples, title


def test_every_recipe_has_foreign_code_to_port() -> None:
    assert list(RECIPES) == list(FOREIGN)
    assert {path.stem for path in (ROOT / "tests/porting").glob("*.py")} == set(FOREIGN.values())


@pytest.mark.parametrize("title", FOREIGN)
def test_a_recipe_has_at_most_15_lines(title: str) -> None:
    assert len([line for line in RECIPES[title].splitlines() if line.strip()]) <= 15


def test_every_recipe_runs(tmp_path: Path) -> None:
    check(run(list(FOREIGN), tmp_path, "process"), list(FOREIGN))


def test_a_recipe_runs_in_strict_isolation(tmp_path: Path) -> None:
    need_strict()
    titles = ["the trainer of a library"]
    check(run(titles, tmp_path, "strict"), titles)
