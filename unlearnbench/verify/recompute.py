"""Recompute stored metrics from stored predictions and true labels; runs and changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.metrics import Metrics, metrics
from unlearnbench.evaluation.predictions import Predictions, unpack
from unlearnbench.problems import datasets
from unlearnbench.problems.case import Case, build
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import ProblemSpec, problems
from unlearnbench.problems.names import FOLDER
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite import Suite
from unlearnbench.problems.suite_file import stored
from unlearnbench.store.labels import method_label, problem_label
from unlearnbench.store.results import Finished, finished
from unlearnbench.store.schema import PredictionRow, TrialRow
from unlearnbench.store.staging import Staged
from unlearnbench.store.store import Store

TOLERANCE = 1e-12
SIZES = ("image_size", "train_size", "test_size")
SINCE_3 = ("misled_discovered", "misled_undiscovered", "attack_success")
"""Metrics that records of earlier protocol versions lack."""


@dataclass(frozen=True)
class Difference:
    """A metric whose stored value its predictions do not give; `metric` is `predictions` if they are unusable."""

    trial: str
    method: str
    problem: str
    metric: str
    stored: float | str | None
    recomputed: float | str | None


@dataclass(frozen=True)
class Recomputed:
    """`trials` is the number of finished trials, `without_score` of them recorded without a selection score."""

    trials: int
    without_score: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Judge:
    """Evaluates the trials of one problem."""

    problem: ProblemSpec
    case: Case
    stop_accuracy: float

    def metrics(self, predictions: Predictions) -> Metrics:
        case = self.case
        return metrics(predictions, case.truth, self.problem.found(case.truth), case.test, self.stop_accuracy)

    def unpacked(self, row: PredictionRow | None) -> Predictions | str:
        """The unpacked predictions, or why they are unusable."""
        if row is None:
            return "missing"
        train, test = len(self.case.truth.labels), len(self.case.test.labels)
        if (row.triggered_test is not None) != self.problem.case.rules.triggered:
            return "of the triggered test set: " + ("missing" if row.triggered_test is None else "there should be none")
        try:
            triggered = None if row.triggered_test is None else unpack(row.triggered_test, test)
            predictions = Predictions(unpack(row.train, train), unpack(row.test, test), triggered)
        except ValueError as error:
            return f"unreadable: {error}"
        for classes, samples in ((predictions.train, train), (predictions.test, test), (triggered, test)):
            if classes is not None and len(classes) != samples:
                return f"of {len(classes)} samples instead of {samples}"
        return predictions


def recompute(
    store: Store, data: Path, *, suite: str | None = None, secrets: Collection[SecretSeeds] = (), ours: bool = True
) -> Recomputed:
    """Recompute all metrics of the finished trials of one suite, or of all.

    Args:
        data: folder of data sets.
        secrets: the seeds of audited suites. A suite that is named must be drawn from them.
        ours: whether the runs were ours. For those of others nothing is downloaded, and of folders of images only one
            in `data` is read.

    Raises:
        UsageError: the suite was never run, or its data set is missing or differs from the one the trials used.
    """
    trials = without_score = 0
    differences: list[Difference] = []
    load = lru_cache(maxsize=1)(datasets.load)  # consecutive trials mostly use the same data
    judge: Judge | None = None
    of_runs: dict[str, Suite] = {}
    for item in finished(store.engine, suite):
        if item.run.id not in of_runs:
            of_runs[item.run.id] = stored(item.run.suite_specification)
        settings = of_runs[item.run.id]
        if suite is not None:
            for seeds in secrets:
                seeds.check(settings)
        name, table = settings.dataset, settings.label_table
        sizes = {size: getattr(settings, size) for size in SIZES}
        if not ours and table is not None:
            raise UsageError(
                f"data set '{name}' is read with a table of labels, and which one to read is not for others to say"
            )
        if not ours and name.startswith(FOLDER):
            name = _folder_in(data, name)
        dataset = load(name, data, **sizes, label_table=table, download=ours)
        judge = _judge(item, settings, dataset, data, judge, secrets)
        trials += 1
        without_score += item.trial.selection_score is None and item.problem.discovered > 0
        method = method_label(item.submission.name, item.submission.variant)
        problem = problem_label(item.problem.corruption, item.problem.discovery_rate, item.problem.corruption_seed)
        differences += [
            Difference(item.trial.key, method, problem, *values)
            for values in _differences(item.trial, item.predictions, judge)
        ]
    return Recomputed(trials, without_score, tuple(differences))


def verify(source: Staged, data: Path, secrets: Collection[SecretSeeds] = ()) -> None:
    """Refuse a source whose metrics are not those of its predictions.

    Args:
        data: folder of data sets; nothing is downloaded.
        secrets: the seeds of audited suites in it.

    Raises:
        UsageError: a metric differs, or the data set is not there.
    """
    try:
        found = recompute(source.store, data, secrets=secrets, ours=False)
    except UsageError as error:
        raise UsageError(
            f"{source.name}: its metrics cannot be recomputed: {error}; --unverified adds its records all the same"
        ) from error
    for item in found.differences[:1]:
        raise UsageError(
            f"{source.name}: table 'trials', row '{item.trial[:12]}', field '{item.metric}': {item.stored} is stored,"
            f" but its predictions give {item.recomputed} ({item.method} on {item.problem})"
        )


def _folder_in(data: Path, name: str) -> str:
    """The folder of images that a record of others names, if it lies in `data`: no other is read for them."""
    folder = Path(name.removeprefix(FOLDER))
    if folder.name != str(folder) or folder.name in ("", ".."):
        raise UsageError(f"data set '{name}' is a folder, and which one to read is not for others to say")
    if not (data / folder).is_dir():
        raise UsageError(f"data set '{name}' is a folder that {data} does not have: put it there as {data / folder}")
    return f"{FOLDER}{(data / folder).absolute()}"


def _judge(
    item: Finished,
    settings: Suite,
    dataset: Dataset,
    data: Path,
    last: Judge | None,
    secrets: Collection[SecretSeeds],
) -> Judge:
    """The judge of a trial; reuses the case of the `last` judge if it is the same."""
    run, row = item.run, item.problem
    problem = validated(ProblemSpec, row.specification, f"the stored problem {row.key[:12]}")
    seeds = next((seeds for seeds in secrets if seeds.commitment == settings.commitment), None)
    if seeds is not None:
        problem = replace(problem, case=replace(problem.case, secret=seeds.seed(problem.case.seed)))
    if problem.case.data_fingerprint != dataset.fingerprint:
        raise UsageError(
            f"data set '{problem.case.dataset}' in {data} is not the one of suite '{run.suite}' (fingerprint"
            f" {dataset.fingerprint[:12]}, expected {problem.case.data_fingerprint[:12]}): choose another --data"
        )
    if last is None or last.case.spec != problem.case:
        # Also checks that the settings of the suite fit the data set, on which `build` relies.
        spec, _ = next(problems(settings.select(corruptions=[problem.case.corruption]), dataset, seeds))
        if spec.case.size != problem.case.size:
            raise UsageError(
                f"problem {row.key[:12]} corrupts {problem.case.size} samples, but suite '{run.suite}' corrupts"
                f" {spec.case.size} of data set '{problem.case.dataset}'"
            )
    case = last.case if last is not None and last.case.spec == problem.case else build(problem.case, dataset)
    discovered = np.intersect1d(problem.found(case.truth), case.truth.corrupted)
    counts = (len(case.truth.corrupted), len(discovered))
    if counts != (row.corrupted, row.discovered):
        raise UsageError(
            f"problem {row.key[:12]} says that {row.corrupted} samples are corrupted and {row.discovered} discovered;"
            f" it should be {counts[0]} and {counts[1]}"
        )
    if case.truth.fingerprint != row.training_fingerprint:
        raise UsageError(
            f"{problem.case.corruption}, seed {problem.case.seed}, now corrupts '{problem.case.dataset}' differently"
            f" than when suite '{run.suite}' was run: use that revision of unlearnbench ({run.revision or 'unknown'})"
        )
    return Judge(problem, case, settings.budget.stop_accuracy)


def _differences(
    trial: TrialRow, prediction: PredictionRow | None, judge: Judge
) -> Iterator[tuple[str, float | str | None, float | str | None]]:
    predictions = judge.unpacked(prediction)
    if isinstance(predictions, str):
        yield "predictions", predictions, None
        return
    result = judge.metrics(predictions)
    for name, recomputed in {**asdict(result), "aggregate": result.aggregate}.items():
        stored = getattr(trial, name)
        if stored is None and (name == "selection_score" or (name in SINCE_3 and trial.protocol_version < 3)):
            continue
        absent = stored is None or recomputed is None
        same = stored is recomputed if absent else abs(stored - recomputed) <= TOLERANCE
        if not same:
            yield name, stored, recomputed
