"""The same suite gives the same records, and a record is enough to run its trial again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.tiny import tiny
from unlearnbench.errors import UsageError
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.schema import Base, OriginalRow, PlannedTrialRow, PredictionRow, RunRow, SubmissionRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import discover, read
from unlearnbench.verify.rerun import rerun

SHIPPED = Path(__file__).parents[2] / "submissions"
OF_TIME = {"run_id", "created_at", "seconds", "processor_seconds", "evaluation_seconds", "total_seconds"}
SUITE = replace(tiny(), corruptions=("random-swap",), seeds=(Seeds(3, 4, 5),))
METHOD = """from dataclasses import dataclass, replace
import torch
from unlearnbench import UnlearningMethod


@dataclass(frozen=True)
class Method(UnlearningMethod):
    scale: float = 0.01

    def unlearn(self, problem):
        model = problem.original()
        for parameter in model.parameters():
            parameter.data += self.scale * torch.randn(parameter.shape)
        return model


class Twice(Method):
    def unlearn(self, problem):
        return super().unlearn(replace(problem, original_weights=super().unlearn(problem).state_dict()))
"""


def content(store: Store, kind: type[Base]) -> list[dict[str, Any]]:
    """All rows of a table without what a clock says."""
    with Session(store.engine) as session:
        rows = session.scalars(select(kind)).all()
    names = [column.name for column in kind.__table__.columns if column.name not in OF_TIME]
    return sorted(({name: getattr(row, name) for name in names} for row in rows), key=str)


def test_the_same_suite_gives_the_same_records_with_one_trial_at_a_time_and_with_two(
    tiny_suite: Suite, tmp_path: Path
) -> None:
    shipped = [item for item in discover(SHIPPED) if item.folder is not None and item.variant == "default"]
    assert len(shipped) > 15
    seen = []
    for workers in (1, 2):
        with Store(str(tmp_path / f"{workers}.db")) as store:
            run_suite(tiny_suite, shipped, store, tmp_path / str(workers), workers=workers)
            seen.append([content(store, kind) for kind in (TrialRow, PredictionRow, OriginalRow)])
    finished = [row for row in seen[0][0] if row["state"] == "finished"]
    assert len({row["submission_key"] for row in finished}) == len(shipped)
    assert all(row["weights_hash"] for row in finished)
    for one, two in zip(*seen, strict=True):
        assert one == two


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of one trial: randomness of a method, a variant that no file has, three seeds."""
    folder = tmp_path_factory.mktemp("ran")
    place = folder / "submissions" / "noisy"
    place.mkdir(parents=True)
    (place / "submission.toml").write_text(
        'name = "noisy"\ntitle = "Random"\nauthors = ["A"]\npaper = ""\nlicense = "MIT"\nentry = "method:Method"\n'
        '[variants.twice]\nentry = "method:Twice"\n'
    )
    (place / "method.py").write_text(METHOD)
    submission = replace(read(place)[0], variant="try_1", hyperparameters={"scale": 0.02})
    with Store(str(folder / "results.db")) as store:
        run_suite(SUITE, [submission], store, folder / "data", workers=1)
    return folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(ran, tmp_path / "ran"))


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store(str(folder / "results.db"), create=False) as store:
        yield store


@pytest.fixture
def stored(store: Store) -> str:
    """The key of the trial in the store."""
    with Session(store.engine) as session:
        return session.scalars(select(TrialRow.key)).one()


def again(store: Store, key: str, folder: Path) -> dict[str, bool | None]:
    found = rerun(store, key, [folder / "submissions"], folder / "data")
    return {item.name: item.equal for item in found}


def test_a_record_is_repeated_and_nothing_is_stored(store: Store, stored: str, folder: Path) -> None:
    kinds = (TrialRow, PredictionRow, OriginalRow, RunRow, PlannedTrialRow)
    before = [content(store, kind) for kind in kinds]
    equal = again(store, stored[:10], folder)
    assert False not in equal.values(), equal
    assert equal["weights_hash"] is True
    assert equal["predictions"] is True
    assert equal["seconds"] is None
    (cached,) = (folder / "data" / "originals").glob("*.safetensors")
    cached.unlink()
    assert False not in again(store, stored, folder).values()
    assert not cached.exists()
    assert [content(store, kind) for kind in kinds] == before


def test_a_record_of_a_variant_with_another_class_is_repeated(store: Store, folder: Path) -> None:
    twice = read(folder / "submissions" / "noisy")[1]
    run_suite(SUITE, [twice], store, folder / "data", workers=1)
    with Session(store.engine) as session:
        query = select(TrialRow.key).join(SubmissionRow, SubmissionRow.key == TrialRow.submission_key)
        key = session.scalars(query.where(SubmissionRow.variant == "twice")).one()
    equal = again(store, key, folder)
    assert False not in equal.values(), equal


def test_a_try_of_a_method_that_needs_no_forget_set_is_repeated(tmp_path: Path) -> None:
    """A tuning runs it at every rate, with the forget set."""
    place = tmp_path / "submissions" / "blind"
    place.mkdir(parents=True)
    (place / "submission.toml").write_text(
        'name = "blind"\ntitle = "Blind"\nauthors = ["A"]\npaper = ""\nlicense = "MIT"\nentry = "method:Method"\n'
        "[needs]\nforget_set = false\n"
    )
    (place / "method.py").write_text(METHOD)
    attempt = replace(read(place)[0], variant="try_1", hyperparameters={"scale": 0.02}, needs_forget_set=True)
    with Store(str(tmp_path / "results.db")) as store:
        run_suite(SUITE, [attempt], store, tmp_path / "data", workers=1)
        with Session(store.engine) as session:
            key = session.scalars(select(TrialRow.key)).one()
        assert all(equal is not False for equal in again(store, key, tmp_path).values())


def test_a_record_that_says_something_else_is_found(store: Store, stored: str, folder: Path) -> None:
    with store.engine.begin() as connection:
        connection.execute(update(TrialRow).values(utility=0.123))
    assert [name for name, equal in again(store, stored, folder).items() if equal is False] == ["utility"]


@pytest.mark.parametrize("key", ["", "xyz", "'; --", "%", "f" * 65])
def test_what_is_no_key(store: Store, key: str, folder: Path) -> None:
    with pytest.raises(UsageError, match="is not a key of a trial"):
        again(store, key, folder)


def test_a_key_that_is_unknown_or_of_several(store: Store, stored: str, folder: Path) -> None:
    with pytest.raises(UsageError, match="no trial '"):
        again(store, "0" * 64 if stored[0] != "0" else "1" * 64, folder)
    with Session(store.engine) as session, session.begin():
        row = session.get_one(TrialRow, stored)
        values = {column.name: getattr(row, column.name) for column in TrialRow.__table__.columns}
        session.add(TrialRow(**values | {"key": stored[:-1] + ("0" if stored[-1] != "0" else "1")}))
    with pytest.raises(UsageError, match="several trials start with"):
        again(store, stored[:8], folder)


def test_another_source_or_none_is_refused(store: Store, stored: str, folder: Path) -> None:
    file = folder / "submissions" / "noisy" / "method.py"
    file.write_text(file.read_text() + "# changed\n")
    with pytest.raises(UsageError, match=r"source of submission 'noisy' has changed .* \(hash \w{12}, now \w{12}\)"):
        again(store, stored, folder)
    with pytest.raises(UsageError, match=r"submission 'noisy' of trial .* is not in"):
        rerun(store, stored, [folder / "nothing"], folder / "data")


def test_other_data_are_refused(store: Store, stored: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearnbench.problems import datasets

    real = datasets.digits()
    monkeypatch.setattr(datasets, "digits", lambda: replace(real, train_images=255 - real.train_images))
    with pytest.raises(UsageError, match=r"run on data with fingerprint \w{12}, but 'digits' has \w{12} here"):
        again(store, stored, folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"device": "cuda"}, "was run on a GPU"),
        ({"protocol_version": 0}, "was run with protocol 0"),
    ],
)
def test_another_kind_of_machine_is_refused(
    store: Store,
    stored: str,
    folder: Path,
    values: dict[str, Any],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("unlearnbench.system.machine.device", lambda: "cpu")
    with store.engine.begin() as connection:
        connection.execute(update(TrialRow).values(**values))
    with pytest.raises(UsageError, match=words):
        again(store, stored, folder)


def test_what_changed_in_the_manifest_is_refused(store: Store, stored: str, folder: Path) -> None:
    with store.engine.begin() as connection:
        connection.execute(update(SubmissionRow).values(hyperparameters={"other": 1}))
    with pytest.raises(UsageError, match=r"now has another key"):
        again(store, stored, folder)
