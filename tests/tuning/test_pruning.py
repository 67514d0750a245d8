"""A try is given up only where it is surely worse, and then it cannot win."""

from __future__ import annotations

import operator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.tuning.conftest import Landscape
from tests.tuning.landscape import SIX, WIDE, goal
from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.tunings import read_tunings
from unlearnbench.report.text.rendering import tunings_as
from unlearnbench.report.text.tries import tries_table
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission
from unlearnbench.tuning.pruning import hopeless, stages
from unlearnbench.tuning.tries import Cell, choices
from unlearnbench.tuning.tune import tune


def test_hopeless_tries_are_pruned_and_cannot_win(
    suite: Suite, submission: Submission, store: Store, tmp_path: Path, landscape: Landscape
) -> None:
    landscape(goal)
    said = []
    six, wide = replace(suite, tuning=SIX), replace(submission, search=WIDE)
    tries = tune(six, wide, store, tmp_path, watch=lambda progress: said.append(progress.message))
    assert not [words for words in said if words and "another name" in words], "the stages of one tuning share a name"
    pruned = [item for item in tries if item.pruned]
    assert pruned
    assert tries[-len(pruned) :] == pruned, "they stand last"
    default = next(item for item in tries if item.default)
    assert default.trials == 6
    for item in pruned:
        assert 2 < item.trials < 6
        assert item.pruned == f"below the best try on {item.trials} of {item.trials} problems"
        assert not item.eligible
    assert all(item.trials == 6 for item in tries if not item.pruned)
    table = tries_table(tries, "blind")
    assert [cell for cell in table.columns[-1].cells if cell] == [item.pruned for item in pruned]
    with Session(store.engine) as session:
        assert len(session.scalars(select(TrialRow)).all()) == sum(item.trials for item in tries)
    (row,) = read_tunings(store.engine, "tiny")
    key = operator.attrgetter("selection_score", "aggregate", "trials")
    assert sorted(map(key, row.tries)) == sorted(map(key, tries))
    assert [key(item) for item in row.tries if item.default] == [key(default)]
    assert sum(item.pruned is not None for item in row.tries) == len(pruned)
    assert row.unfinished == 0
    assert choices(row.tries) == choices(tries)
    text = tunings_as("markdown", store.engine, "tiny")
    assert isinstance(text, str)
    assert f"| levels | {len(tries)} | {len(pruned)} | {100 * default.aggregate:.1f} |" in text
    assert "interrupted" not in text


def test_stages_begin_with_the_middle_rate(suite: Suite) -> None:
    grid = replace(suite, seeds=(7, 8), discovery_rates=(0.1, 0.5, 1.0))
    places = [(part.discovery_rates, part.seeds) for part in stages(grid)]
    assert places == [((rate,), (seed,)) for rate in (0.5, 1.0, 0.1) for seed in (7, 8)]


def test_the_pruner_gives_up_only_what_is_surely_worse() -> None:
    best: dict[Cell, float] = {("a", 0.5, seed, 0.5, "standard"): 0.5 + 0.01 * seed for seed in range(18)}
    cells = list(best)

    def part(count: int, change: float) -> dict[Cell, float]:
        return {cell: best[cell] + change * (1 + 0.01 * place) for place, cell in enumerate(cells[:count])}

    assert hopeless(best, part(6, -0.1))
    assert not hopeless(best, part(3, -0.1)), "three problems say little"
    assert not hopeless(best, part(6, 0.1))
    assert not hopeless(best, part(6, 0.0))
    mixed = part(6, -0.1) | part(3, 0.1)
    assert not hopeless(best, mixed)
