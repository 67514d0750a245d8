"""The recipes of docs/porting.md run as they stand, each on foreign code in its style, and stay short."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.submission import NOTHING, written
from tests.tiny import tiny
from unlearnbench.boundary.isolation import LEVELS, Isolation
from unlearnbench.errors import UsageError
from unlearnbench.running.run import run_suite
from unlearnbench.store.results import planned_trials
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


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> list[Submission]:
    """All recipes, and `nothing`, which returns the original."""
    folder = tmp_path_factory.mktemp("submissions")
    return [*(ported(title, folder) for title in FOREIGN), written(folder, "nothing", NOTHING)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the store and the original that both levels share."""
    return tmp_path_factory.mktemp("data")


def test_every_recipe_has_foreign_code_to_port() -> None:
    assert list(RECIPES) == list(FOREIGN)
    assert {path.stem for path in (ROOT / "tests/porting").glob("*.py")} == set(FOREIGN.values())


@pytest.mark.parametrize("title", FOREIGN)
def test_a_recipe_has_at_most_15_lines(title: str) -> None:
    assert len([line for line in RECIPES[title].splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("isolation", LEVELS)
def test_every_recipe_runs(isolation: Isolation, submissions: list[Submission], data: Path) -> None:
    with Store(str(data / "results.db")) as store:
        try:
            summary = run_suite(tiny(), submissions, store, data, isolation=isolation)
        except UsageError as error:  # as `need_strict`, without starting a server only to ask
            if os.environ.get("CI") or not str(error).startswith("isolation 'strict' "):
                raise
            pytest.skip(str(error))
        trials = planned_trials(store.engine, [summary.run_id])
    records = {trial.submission.name: trial.record for trial in trials if trial.record is not None}
    assert {name: (record.reason, record.detail) for name, record in records.items() if record.reason} == {}
    for title, name in FOREIGN.items():
        record = records[f"ported_{name}"]
        assert record.isolation == isolation
        assert record.weights_hash != records["nothing"].weights_hash, title
        assert record.backward_samples, title
