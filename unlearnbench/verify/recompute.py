"""Recompute stored metrics from stored predictions and true labels; runs and changes nothing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from unlearnbench.errors import UsageError
from unlearnbench.evaluation.metrics import Metrics, metrics
from unlearnbench.evaluation.predictions import Predictions, unpack
from unlearnbench.problems import datasets
from unlearnbench.problems.case import Case, build
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import ProblemSpec
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.specification import validated
from unlearnbench.problems.suite_file import stored
from unlearnbench.store.labels import method_label, problem_label
from unlearnbench.store.results import Finished, finished
from unlearnbench.store.schema import PredictionRow, TrialRow
from unlearnbench.store.store import Store

TOLERANCE = 1e-12
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
        forget = self.problem.forget_positions(case.truth.corrupted)
        return metrics(predictions, case.truth, forget, case.spec.rules, case.test_labels, self.stop_accuracy)

    def unpacked(self, row: PredictionRow | None) -> Predictions | str:
        """The unpacked predictions, or why they are unusable."""
        if row is None:
            return "missing"
        try:
            triggered = None if row.triggered_test is None else unpack(row.triggered_test)
            predictions = Predictions(unpack(row.train), unpack(row.test), triggered)
        except (zlib.error, ValueError) as error:
            return f"unreadable: {error}"
        if (triggered is not None) != self.problem.case.rules.triggered:
            return "of the triggered test set: " + ("missing" if triggered is None else "there should be none")
        for classes, labels in (
            (predictions.train, self.case.truth.labels),
            (predictions.test, self.case.test_labels),
            (triggered, self.case.test_labels),
        ):
            if classes is not None and len(classes) != len(labels):
                return f"of {len(classes)} samples instead of {len(labels)}"
        return predictions


def recompute(store: Store, data: Path, *, suite: str | None = None, secrets: SecretSeeds | None = None) -> Recomputed:
    """Recompute all metrics of the finished trials of one suite, or of all.

    Args:
        data: folder of data sets.
        secrets: the seeds of an audited suite. It is refused if its problems were not drawn from them.

    Raises:
        UsageError: the suite was never run, or its data set is missing or differs from the one the trials used.
    """
    trials = without_score = 0
    differences: list[Difference] = []
    load = lru_cache(maxsize=1)(datasets.load)  # consecutive trials mostly use the same data
    judge: Judge | None = None
    for item in finished(store.engine, suite):
        specification = item.run.suite_specification
        sizes = {name: specification[name] for name in ("image_size", "train_size", "test_size")}
        judge = _judge(item, load(specification["dataset"], data, **sizes), data, judge, secrets)
        trials += 1
        without_score += item.trial.selection_score is None and item.problem.discovered > 0
        method = method_label(item.submission.name, item.submission.variant)
        problem = problem_label(item.problem.corruption, item.problem.discovery_rate, item.problem.corruption_seed)
        differences += [
            Difference(item.trial.key, method, problem, *values)
            for values in _differences(item.trial, item.predictions, judge)
        ]
    return Recomputed(trials, without_score, tuple(differences))


def _judge(item: Finished, dataset: Dataset, data: Path, last: Judge | None, secrets: SecretSeeds | None) -> Judge:
    """The judge of a trial; reuses the case of the `last` judge if it is the same."""
    run, row = item.run, item.problem
    problem = validated(ProblemSpec, row.specification, f"the stored problem {row.key[:12]}")
    if secrets is not None:
        secrets.check(stored(run.suite_specification))
        problem = replace(problem, case=replace(problem.case, secret=secrets.seed(problem.case.seed)))
    if problem.case.data_fingerprint != dataset.fingerprint:
        raise UsageError(
            f"data set '{problem.case.dataset}' in {data} is not the one of suite '{run.suite}' (fingerprint"
            f" {dataset.fingerprint[:12]}, expected {problem.case.data_fingerprint[:12]}): choose another --data"
        )
    case = last.case if last is not None and last.case.spec == problem.case else build(problem.case, dataset)
    if case.truth.fingerprint != row.training_fingerprint:
        raise UsageError(
            f"{problem.case.corruption}, seed {problem.case.seed}, now corrupts '{problem.case.dataset}' differently"
            f" than when suite '{run.suite}' was run: use that revision of unlearnbench ({run.revision or 'unknown'})"
        )
    return Judge(problem, case, run.suite_specification["budget"]["stop_accuracy"])


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
