"""The found set: discovered corruption, and clean samples that were taken for it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import digits
from unlearnbench.problems.grid import problems
from unlearnbench.problems.identity import problem_key
from unlearnbench.problems.suite import CorruptionSettings, Suite


def grid(suite: Suite, false_discovery: float) -> Suite:
    return replace(
        suite,
        train_size=None,
        discovery_rates=(0.1, 0.5, 1.0),
        corruption=CorruptionSettings(size=72),
        false_discovery=false_discovery,
    )


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_share_of_the_found_set_is_clean_and_nested(tiny_suite: Suite, share: float) -> None:
    dataset = digits()
    plain = [problem for problem, _ in problems(grid(tiny_suite, 0.0), dataset)][1:]
    found = [problem for problem, _ in problems(grid(tiny_suite, share), dataset)][1:]
    truth = plain[0].case.corrupted_set(dataset)
    sets = [set(problem.found(truth).tolist()) for problem in found]
    for mine, theirs in zip(sets, plain, strict=True):
        discovered = set(theirs.found(truth).tolist())
        assert mine & set(truth.corrupted.tolist()) == discovered, "what is discovered stays"
        assert abs(len(mine - discovered) - share * len(mine)) <= 0.5 + share
    assert all(small < large for small, large in itertools.pairwise(sets))


def test_none_is_in_no_key_and_some_is_in_every_key_but_that_without_a_found_set(tiny_suite: Suite) -> None:
    dataset = digits()
    plain, some = ([problem for problem, _ in problems(grid(tiny_suite, share), dataset)] for share in (0.0, 0.25))
    assert "false_discovery" not in plain[1].stored()
    assert some[1].stored()["false_discovery"] == 0.25
    same = [problem_key(one) == problem_key(other) for one, other in zip(plain, some, strict=True)]
    assert same == [True, False, False, False]
    assert plain[0].case == some[1].case, "the original is the same"


def test_more_false_finds_than_clean_samples_are_one_sentence(tiny_suite: Suite) -> None:
    with pytest.raises(UsageError, match=r"size = 72 and false_discovery = 0\.99 leave none of the 1437"):
        list(problems(grid(tiny_suite, 0.99), digits()))
