"""A corruption, a data set and an architecture of an installed package, from the suite file to the board."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

import unlearnbench
from tests.extending.conftest import install
from tests.submission import NOTHING, TUNE, written
from tests.tiny import tiny, tiny_toml
from unlearnbench.errors import UsageError
from unlearnbench.models import ModelSpec
from unlearnbench.models import build as build_model
from unlearnbench.problems import registry
from unlearnbench.problems.case import Case, build
from unlearnbench.problems.corruption import kind_of
from unlearnbench.problems.datasets import load, load_for
from unlearnbench.problems.grid import problems
from unlearnbench.problems.identity import conditions, problem_key
from unlearnbench.problems.names import CORRUPTIONS
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import parse, stored
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.wording import row_labels
from unlearnbench.running.run import run_suite
from unlearnbench.running.setup import Setup
from unlearnbench.store.schema import ProblemRow, TrialRow
from unlearnbench.store.store import Store
from unlearnbench.verify.recompute import recompute

pytestmark = pytest.mark.usefixtures("installed")
ROWS = ["poison-trigger", "blend", "blend/faint"]
FAINT: dict[str, Any] = {"blend/faint": {"opacity": 0.05}}
CHANGES: dict[str, Any] = {
    "dataset": "stripes",
    "corruptions": ROWS,
    "corruption": {"size": 20, "class_pair": [0, 1], "parameters": FAINT},
    "model": {"architecture": "plain"},
}


def suite_of(folder: Path, **corruption: Any) -> Suite:
    """The suite of these tests, with these settings of corruptions."""
    path = folder / "tiny.toml"
    path.write_text(tiny_toml(**CHANGES | {"corruption": CHANGES["corruption"] | corruption}))
    return parse(path)


def cases(suite: Suite) -> dict[str, Case]:
    dataset = load_for(suite, Path())
    return {problem.case.corruption: build(problem.case, dataset) for problem, _ in problems(suite, dataset)}


def keys(suite: Suite) -> dict[str, str]:
    """The keys of the problems at the first rate, by corruption."""
    grid = [problem for problem, _ in problems(suite, load_for(suite, Path())) if problem.discovery_rate]
    return {problem.case.corruption: problem_key(problem) for problem in grid}


@dataclass(frozen=True)
class Ran:
    suite: Suite
    store: Store
    trials: list[TrialRow]
    problems: dict[str, ProblemRow]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Ran:
    folder = tmp_path_factory.mktemp("ran")
    suite, store = suite_of(folder), Store(str(folder / "results.db"))
    submissions = [written(folder / "submissions", name, body) for name, body in (("good", NOTHING), ("tune", TUNE))]
    run_suite(suite, submissions, store, folder, workers=2)
    with Session(store.engine) as session:
        trials = list(session.scalars(select(TrialRow)))
        found = {row.key: row for row in session.scalars(select(ProblemRow))}
    return Ran(suite, store, trials, found)


def test_a_run_goes_from_the_suite_to_the_board(ran: Ran) -> None:
    assert [(trial.state, trial.reason) for trial in ran.trials] == [("finished", None)] * 6
    assert all(trial.forward_samples for trial in ran.trials if trial.backward_samples), "the trial's own model counts"
    of_rows = {ran.problems[trial.problem_key].corruption for trial in ran.trials}
    assert of_rows == set(ROWS)
    frame = read_board(ran.store.engine, "tiny").frame
    assert set(frame["corruption"]) == of_rows
    labels = {"poison-trigger": "High poison-trigger", "blend": "High blend", "blend/faint": "High blend/faint"}
    assert row_labels(frame["corruption"]) == labels
    assert list(row_labels(frame["corruption"])) == ROWS, "the harness's own first"


def test_metrics_come_out_again_and_others_accept_the_store(ran: Ran, tmp_path: Path) -> None:
    assert recompute(ran.store, tmp_path).differences == ()
    with ran.store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(str(ran.store.engine.url.database))
    unlearnbench.merge([path], tmp_path / "other.db", data=tmp_path)
    with Store(str(tmp_path / "other.db")) as other, Session(other.engine) as session:
        assert len(list(session.scalars(select(TrialRow)))) == len(ran.trials)


def test_only_changed_parameters_are_stored_and_none_for_the_others(ran: Ran) -> None:
    of_case = {row.corruption: row.specification["case"] for row in ran.problems.values()}
    assert of_case["blend/faint"]["parameters"] == {"opacity": 0.05}
    assert "parameters" not in of_case["blend"]
    assert "parameters" not in of_case["poison-trigger"]


def test_positions_labels_and_pattern_are_what_the_corruption_says(tmp_path: Path) -> None:
    found = cases(suite_of(tmp_path))
    clean = load("stripes", Path(), train_size=200, test_size=60)
    for name, opacity in (("blend", 0.2), ("blend/faint", 0.05)):
        truth, test = found[name].truth, found[name].triggered_test()
        where = truth.corrupted
        assert len(where) == 20
        assert (truth.labels[where] != truth.true_labels[where]).all()
        assert test is not None
        before, after = clean.train_images.numpy()[where].astype(float), truth.images[where].astype(float)
        noise = (after - (1 - opacity) * before) / opacity  # up to rounding down
        assert noise.std(axis=0).max() < 1 / opacity, "one pattern on all"
        moved = (test.astype(float) - (1 - opacity) * clean.test_images.numpy()) / opacity
        assert abs(moved.mean(axis=0) - noise.mean(axis=0)).max() < 1 / opacity, "the same on test images"
        rest = np.delete(np.arange(200), where)
        assert np.array_equal(truth.images[rest], clean.train_images.numpy()[rest])
    assert set(found["blend"].truth.corrupted) != set(found["blend/faint"].truth.corrupted), "drawn independently"


def test_a_request_does_not_say_which_corruption_it_is(tmp_path: Path) -> None:
    suite = suite_of(tmp_path)
    requests = []
    for case in cases(suite).values():
        request = Setup(suite, "cpu", "float32", "process").request(
            replace(case, file=tmp_path), suite.base, entry="m:M", seed=0, forget=case.truth.corrupted[:0]
        )
        requests.append(json.dumps(asdict(request)))
    assert len(requests) == 3
    assert len(set(requests)) == 1
    assert not any(name.partition("/")[0] in requests[0] for name in ROWS)


def test_keys_follow_what_a_corruption_is_and_nothing_else(tmp_path: Path) -> None:
    before = keys(suite_of(tmp_path))
    same = keys(suite_of(tmp_path, parameters=FAINT | {"blend": {"opacity": 0.2}}))  # its default
    assert same == before
    other = keys(suite_of(tmp_path, parameters={"blend/faint": {"opacity": 0.06}}))
    assert {name for name in before if before[name] != other[name]} == {"blend/faint"}
    own = tiny()
    more = replace(own, corruptions=(*own.corruptions, "blend"))
    assert keys(own).items() <= keys(more).items()


def test_only_parameters_of_common_rows_make_records_stale(tmp_path: Path) -> None:
    before, other = suite_of(tmp_path), suite_of(tmp_path, parameters={"blend/faint": {"opacity": 0.06}})
    assert conditions(before, ROWS[:2]) == conditions(other, ROWS[:2])
    assert conditions(other, ROWS)["corruption.parameters.blend/faint.opacity"] == 0.06
    assert conditions(before, ROWS) != conditions(other, ROWS)
    spelled_out = suite_of(tmp_path, parameters=FAINT | {"blend": {"opacity": 0.2}})
    assert conditions(before, ROWS) == conditions(spelled_out, ROWS)


def test_a_stored_suite_comes_back(tmp_path: Path) -> None:
    suite = suite_of(tmp_path)
    assert stored(json.loads(json.dumps(suite.stored()))) == suite


@pytest.mark.parametrize(
    ("corruption", "words"),
    [
        (
            {"parameters": {"blend/faint": {"opcity": 1.0}}},
            r"blend/faint: unknown key 'opcity': did you mean 'opacity'",
        ),
        ({"parameters": {"blend/faint": {"opacity": 2.0}}}, r"blend/faint: key 'opacity'.*at most 1"),
        ({"parameters": {"blend/faint": {}, "blend/weak": {}}}, r"unknown corruption 'blend/weak'"),
        ({"parameters": {}}, r"'blend/faint' needs a table \[corruption.parameters.\"blend/faint\"\]"),
        (
            {"parameters": FAINT | {"poison-trigger": {"trigger_size": 5}}},
            "trigger_size is the same for all corruptions",
        ),
        ({"parameters": FAINT | {"blent": {}}}, r"unknown value 'blent': did you mean 'blend'"),
        ({"parameters": FAINT | {"blend/A b": {}}}, r"what follows the slash must be lower-case"),
    ],
)
def test_wrong_parameters_are_one_sentence(tmp_path: Path, corruption: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        suite_of(tmp_path, **corruption)
    assert str(caught.value).startswith(str(tmp_path / "tiny.toml"))


def test_a_parameter_may_replace_a_setting_of_the_suite(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    rows = {"corruptions": ["class-swap", "class-swap/easy"]}
    settings = {"size": 10, "class_pair": [3, 5], "parameters": {"class-swap/easy": {"class_pair": [0, 1]}}}
    path.write_text(tiny_toml(**rows, corruption=settings))
    found = cases(parse(path))
    for name, pair in (("class-swap", {3, 5}), ("class-swap/easy", {0, 1})):
        truth = found[name].truth
        assert set(truth.true_labels[truth.corrupted].tolist()) == pair


def test_the_model_of_a_package_is_built_and_grows() -> None:
    spec = ModelSpec("plain", classes=4, channels=1, image_size=16, width=1.0, capacity=0.5)
    model = build_model(spec)
    assert model.groups == (8,)
    assert model.expanded(0.5).groups == (16,)


def built_wrong() -> None:
    build_model(ModelSpec("wrong", classes=4, channels=1, image_size=16, width=1.0, capacity=1.0))


@pytest.mark.parametrize(
    ("entry", "use", "words"),
    [
        (
            "corruptions]\nwrong = plugin:Plain",
            lambda: kind_of("wrong"),
            "must be a class that derives from Corruption",
        ),
        ("corruptions]\nwrong = plugin:nothing", lambda: kind_of("wrong"), "corruption 'wrong' .*cannot be imported"),
        ("corruptions]\nclass-swap = plugin:Blend", CORRUPTIONS.names, "two corruptions are called 'class-swap'"),
        ("datasets]\nwrong = operator:eq", lambda: load("wrong", Path()), "must return a Dataset, not bool"),
        ("architectures]\nwrong = builtins:print", built_wrong, "must give a Classifier, not NoneType"),
    ],
)
def test_a_wrong_entry_point_is_one_sentence(
    entry: str, use: Callable[[], object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, f"[unlearnbench.{entry}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    try:
        with pytest.raises(UsageError, match=words):
            use()
    finally:
        registry._installed.cache_clear()
