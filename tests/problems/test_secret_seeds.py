"""Secret seeds: drawn, read, refused; and what is drawn from them."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny, tiny_toml
from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import Dataset, load
from unlearnbench.problems.grid import problems
from unlearnbench.problems.identity import conditions
from unlearnbench.problems.secret_seeds import LEAST, SecretSeeds, draw, read
from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import parse
from unlearnbench.running.plan import PlannedTrial, plan
from unlearnbench.running.setup import Setup
from unlearnbench.submissions.finding import Submission

SALT = "5a" * 32


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load("digits", tmp_path_factory.mktemp("data"), train_size=200, test_size=60)


def test_what_is_drawn_cannot_be_guessed_and_is_read_by_its_owner_only(tmp_path: Path) -> None:
    files = [tmp_path / "one.toml", tmp_path / "two.toml"]
    one, two = (draw(file, 10) for file in files)
    assert len({*one.seeds, *two.seeds}) == 20
    assert all(2**62 <= seed < 2**63 for seed in one.seeds)
    assert one == read(files[0])
    assert one.commitment == hashlib.sha256(files[0].read_bytes()).hexdigest() != two.commitment
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert not any(str(seed) in repr(one) for seed in one.seeds)
    with pytest.raises(UsageError, match=r"one.toml already exists: choose another file"):
        draw(files[0], 10)
    assert read(files[0]) == one


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'salt = "{SALT}"\nseeds = [{LEAST - 1}]', "key 'seeds.0'.* at least 281474976710656"),
        (f'salt = "{SALT}"\nseeds = [{LEAST}, {LEAST}]', "key 'seeds' has a seed twice"),
        (f'salt = "{SALT}"\nseeds = []', "key 'seeds'"),
        (f'salt = "{SALT[1:]}"\nseeds = [{LEAST}]', "key 'salt'"),
        (f"seeds = [{LEAST}]", "key 'salt' is missing"),
        (f'salt = "{SALT}"\nseeds = [{LEAST}]\nmore = 1', "unknown key 'more'"),
        (f"{LEAST}", "not a readable TOML file"),
    ],
)
def test_a_wrong_file_is_one_sentence(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        read(file)
    assert str(file) in str(caught.value)


def test_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read(tmp_path / "secret.toml")
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        draw(tmp_path / "nowhere" / "secret.toml", 1)


def test_an_audited_suite_has_a_name_a_commitment_and_numbers(tmp_path: Path) -> None:
    secrets = draw(tmp_path / "secret.toml", 3)
    suite = secrets.of(tiny())
    assert suite.name == f"tiny-audited-{secrets.commitment[:8]}"
    assert (suite.seeds, suite.commitment) == ((1, 2, 3), secrets.commitment)
    assert conditions(suite) == conditions(tiny()) | {"commitment": secrets.commitment}
    assert validated(Suite, json.loads(json.dumps(suite.stored())), "stored") == suite
    assert asdict(tiny()) == tiny().stored() | {"commitment": None, "false_discovery": 0.0, "label_table": None}
    with pytest.raises(UsageError, match="secret seeds: key 'name'"):
        secrets.of(replace(tiny(), name="x" * 90))
    file = tmp_path / "mine.toml"
    file.write_text(tiny_toml(commitment=secrets.commitment))
    with pytest.raises(UsageError, match="commitment is set by --seeds-from: leave it out"):
        parse(file)


def test_a_problem_is_that_of_the_secret_seed(dataset: Dataset, tmp_path: Path) -> None:
    """So whoever opens a board can repeat it as an open one."""
    secrets = draw(tmp_path / "secret.toml", 2)
    suite = replace(tiny(), corruptions=("random-swap", "class-swap", "poison-trigger"), discovery_rates=(0.3, 1.0))
    audited = list(problems(secrets.of(suite), dataset, secrets))
    opened = list(problems(replace(suite, seeds=secrets.seeds), dataset))
    assert len(audited) == len(opened) == 18
    for (one, _), (other, _) in zip(audited, opened, strict=True):
        truth, again = one.case.corrupted_set(dataset), other.case.corrupted_set(dataset)
        assert truth.fingerprint == again.fingerprint
        assert np.array_equal(one.found(truth), other.found(again))
        assert one.case.drawn_from(1) == other.case.seed


def test_a_secret_seed_is_in_no_key_and_no_specification(
    dataset: Dataset, tmp_path: Path, make_submission: Callable[..., Submission]
) -> None:
    secrets = draw(tmp_path / "secret.toml", 2)
    others = SecretSeeds(secrets.file, secrets.commitment, (LEAST, LEAST + 1))
    setup = Setup(secrets.of(tiny()), "cpu", "float32", "strict")
    submission = make_submission("mine", "return None")
    one, other = (plan(setup, dataset, [submission], secrets=seeds) for seeds in (secrets, others))

    def keys(trial: PlannedTrial) -> tuple[str, ...]:
        return trial.key, trial.problem_key, trial.original.key, trial.original.label

    for trial, again in zip(one, other, strict=True):
        assert trial.problem.case.secret != again.problem.case.secret
        assert keys(trial) == keys(again)
        assert trial.problem.stored() == again.problem.stored()
        assert trial.problem.stored()["case"]["commitment"] == secrets.commitment
        assert str(trial.problem.case.secret) not in repr(trial)
        assert trial.problem.case.secret not in (trial.original.seed, trial.unlearning_seed)


def test_without_the_seeds_or_with_others_nothing_is_drawn(dataset: Dataset, tmp_path: Path) -> None:
    secrets, others = (draw(tmp_path / f"{name}.toml", 1) for name in ("one", "two"))
    suite = secrets.of(tiny())
    problem, _ = next(problems(suite, dataset))
    with pytest.raises(UsageError, match=rf"commitment {secrets.commitment} are secret: give their file"):
        problem.case.corrupted_set(dataset)
    with pytest.raises(UsageError, match=f"its commitment is {secrets.commitment}"):
        next(problems(suite, dataset, others))
    with pytest.raises(UsageError, match="it has public seeds"):
        next(problems(tiny(), dataset, others))
    with pytest.raises(UsageError, match="there is no secret seed 2: the file has 1"):
        list(problems(replace(suite, seeds=(1, 2)), dataset, secrets))


def test_a_level_at_which_a_trial_could_read_them_is_refused(tmp_path: Path) -> None:
    suite = draw(tmp_path / "secret.toml", 1).of(tiny())
    with pytest.raises(UsageError, match="has secret seeds, which a trial at level 'process' could read"):
        Setup(suite, "cpu", "float32", "process")


def test_a_stored_specification_of_an_open_board_is_as_it_was(dataset: Dataset) -> None:
    problem, _ = next(problems(tiny(), dataset))
    assert set(problem.stored()["case"]) == {
        *("dataset", "data_fingerprint", "corruption", "size", "seed"),
        *("class_pair", "target_class", "trigger_size", "paper"),
    }
