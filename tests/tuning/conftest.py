"""A method with four settings, and scores that a test makes up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from unlearnbench.evaluation.metrics import Metrics
from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.problems.suite import Suite, Tuning
from unlearnbench.running.plan import PlannedTrial
from unlearnbench.running.trial import Record, Result
from unlearnbench.submissions.finding import Submission, read
from unlearnbench.submissions.manifest import Range

Make = Callable[..., Submission]
Landscape = Callable[[Callable[[PlannedTrial], float | None]], list[str]]
FIELDS = "from dataclasses import dataclass\n@dataclass(frozen=True)"
# At level 0 the original goes back; from 1 on the model answers class `level`, and 9 fails.
BODY = """model = problem.original()
if self.level == 9:
    raise ValueError("nine")
if self.level:
    with torch.no_grad():
        model.linear.weight.zero_()
        model.linear.weight[self.level] = 1.0
return model"""


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture
def landscape(patch: pytest.MonkeyPatch) -> Landscape:
    """Let every trial have the selection score that a function gives it, or fail; gives the keys of those that ran."""

    def score(function: Callable[[PlannedTrial], float | None]) -> list[str]:
        ran: list[str] = []

        def trial(planned: PlannedTrial, *_: object) -> Record:
            ran.append(planned.key)
            value = function(planned)
            result = None
            if value is not None:
                some = np.zeros(1, dtype=np.int64)
                measured = Metrics(1 - value, None, None, None, None, None, 0.0, 1.0, 1.0, value)
                result = Result(Predictions(some, some, None), measured, "0" * 64, 0.0)
            return Record(result, None if result else "lost", None, None, None, None, None, 0.0, "counted")

        patch.setattr("unlearnbench.running.executors.local.run_trial", trial)
        return ran

    return score


@pytest.fixture
def suite(tiny_suite: Suite) -> Suite:
    return replace(tiny_suite, tuning=Tuning(seeds=(100,), discovery_rates=(0.5, 1.0), tries=6))


@pytest.fixture
def submission(make_submission: Make) -> Submission:
    made = make_submission("levels", BODY, before=FIELDS)
    assert made.folder is not None
    file = made.folder / "method.py"
    field = "class Method(UnlearningMethod):\n    level: int = 0\n    other: float = 0.5\n"
    file.write_text(file.read_text().replace("class Method(UnlearningMethod):\n", field))
    return replace(read(made.folder)[0], hyperparameters={"level": 0}, search={"level": Range(choices=(0, 3, 5, 9))})
