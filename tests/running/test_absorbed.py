"""Each corruption of `digits-plane` is absorbed by an original of `digits`: there is something to repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.problems.datasets import digits
from unlearnbench.problems.grid import problems
from unlearnbench.problems.suite_file import parse
from unlearnbench.running.executors.local import local
from unlearnbench.running.originals import obtain
from unlearnbench.running.plan import plan_original

SUITE = parse(Path(__file__).parents[2] / "suites/digits-plane.toml")


@pytest.mark.slow
def test_originals_absorb_every_corruption(tmp_path: Path) -> None:
    dataset = digits()
    cases = dict.fromkeys(problem.case for problem, _ in problems(SUITE.select(seeds=[0]), dataset))
    with local(SUITE, (), dataset, Boundary(), 1) as executor:
        records = {}
        for case in cases:
            trained = obtain(plan_original(executor.setup, case, SUITE.base, 0), tmp_path, executor)
            assert trained is not None
            records[case.corruption] = trained[0]
    assert len(records) == 10
    assert [name for name, record in records.items() if not record.absorbed] == []
    assert {name: record.metrics.utility for name, record in records.items() if record.metrics.utility < 0.89} == {}
