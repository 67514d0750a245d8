"""The best method of each cell, and whether that is certain."""

import numpy as np
import pandas as pd
import pytest

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS
from unlearnbench.report.numbers.parts import ranks_by_part
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.numbers.winners import winners

WOBBLE = np.array([0.04, -0.03, 0.02, -0.01, 0.05, -0.04, 0.01, -0.04])
HARDNESS = np.linspace(0.2, 0.6, 8)


@pytest.fixture
def frame(stored):
    """Two methods that cannot be told apart, and one that is worse than both."""
    stored.column(seeds=FEWEST_FOR_RANKS)
    stored.scored("good", HARDNESS + 0.2)
    stored.scored("close", HARDNESS + 0.195 + WOBBLE)
    stored.scored("far", HARDNESS - WOBBLE / 2)
    return stored.board().frame


def test_a_cell_is_won_alone_if_no_other_may_have_rank_1(frame):
    assert set(winners(frame, ["good", "far"])["method"]) == {"good"}
    assert winners(frame, ["good", "far"])["alone"].all()
    assert not winners(frame, ["good", "close", "far"])["alone"].any()
    assert winners(frame, ["far"])["alone"].all(), "the only one"


def test_it_is_certain_where_the_ranks_of_the_cell_say_so(frame):
    ranks = ranks_by_part(frame, ranking(frame))
    for row in winners(frame, ["good", "close", "far"]).reset_index().to_dict("records"):
        assert row["alone"] == (ranks[row["corruption"], row["discovery_rate"]][row["method"]] == (1, 1))


def test_nothing_is_certain_while_a_method_has_too_few_seeds(frame):
    last = frame["seed"].unique()[-1]
    fewer = frame[(frame["seed"] != last) | (frame["method"] != "far")]
    found = winners(fewer, ["good", "far"])
    assert set(found["method"]) == {"good"}
    assert not found["alone"].any()


def test_a_method_without_a_whole_seed_wins_nothing(frame):
    begun = frame[frame["method"] == "good"].assign(method="begun", aggregate=1.0, whole=False)
    both = pd.concat([frame, begun], ignore_index=True)
    found = winners(both, ["good", "far", "begun"])
    assert set(found["method"]) == {"good"}
    assert found["alone"].all()
    assert set(winners(begun, ["begun"])["method"]) == {"begun"}, "unless nothing else has one either"


def test_a_mean_over_fewer_seeds_wins_nothing(frame):
    last = frame["seed"].unique()[-1]
    late = frame[(frame["method"] == "good") & (frame["seed"] != last)].assign(method="late", aggregate=1.0)
    found = winners(pd.concat([frame, late], ignore_index=True), ["good", "far", "late"])
    assert set(found["method"]) == {"good"}
    assert not found["alone"].any(), "it may be better"


def test_the_first_of_equals_is_named(frame):
    twin = frame[frame["method"] == "good"].assign(method="twin")
    both = pd.concat([frame, twin], ignore_index=True)
    assert set(winners(both, ["twin", "good"])["method"]) == {"twin"}
    assert set(winners(both, ["good", "twin"])["method"]) == {"good"}


def test_a_board_without_a_value_has_no_winners(frame):
    found = winners(frame.assign(state="missing"), ["good", "far"])
    assert found.empty
    assert list(found.columns) == ["method", "alone"]
