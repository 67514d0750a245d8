"""What holds of every corruption, whatever the labels, the size and the seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import RandomState

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import CleanSet, CorruptedSet, Images, Labels, corrupt, corruption_of, kind_of
from unlearnbench.problems.discovery import discover
from unlearnbench.problems.names import CORRUPTIONS
from unlearnbench.problems.streams import Seeds, random_state, stream

MANY = settings(max_examples=100, deadline=None, derandomize=True)
SEEDS = st.integers(-(2**63), 2**63 - 1)
PLANTED = sorted(name for name in CORRUPTIONS.own if kind_of(name).planted)


@dataclass(frozen=True)
class Case:
    """Images and labels of a made-up data set, how many of them are corrupted, and by which rules."""

    name: str
    images: Images
    labels: Labels
    classes: int
    count: int
    pair: tuple[int, int]
    target: int
    trigger_size: int
    seed: int

    def corrupted(self, *, paper: bool = False) -> CorruptedSet:
        settings = {
            "class_pair": self.pair,
            "target_class": self.target,
            "trigger_size": self.trigger_size,
            "paper": paper,
        }
        streams = (random_state(self.seed, use, self.name) for use in ("corruption", "pattern"))
        rules = corruption_of(self.name, settings, {})
        return corrupt(rules, CleanSet(self.images, self.labels, self.classes), self.count, *streams)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    classes = draw(st.integers(2, 12))
    labels = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=2, max_size=80)), dtype=np.int64)
    images = RandomState(len(labels)).randint(0, 256, (len(labels), draw(st.sampled_from([1, 3])), 8, 8))
    pair = draw(st.lists(st.integers(0, classes - 1), min_size=2, max_size=2, unique=True))
    return Case(
        name=draw(st.sampled_from(PLANTED)),
        images=images.astype(np.uint8),
        labels=labels,
        classes=classes,
        count=draw(st.integers(1, len(labels))),
        pair=(pair[0], pair[1]),
        target=draw(st.integers(0, classes - 1)),
        trigger_size=draw(st.integers(1, 7)),
        seed=draw(SEEDS),
    )


def too_many(case: Case, paper: bool) -> bool:
    """Whether more samples are to be corrupted than may be."""
    if case.name == "class-swap":
        halves = (case.count - case.count // 2, case.count // 2)
        return any(half > (case.labels == cls).sum() for half, cls in zip(halves, case.pair, strict=True))
    if case.name == "one-way-swap":
        return bool(case.count > (case.labels == case.pair[0]).sum())
    if kind_of(case.name).triggered and not (paper and case.name == "poison-trigger"):
        return bool(case.count > (case.labels != case.target).sum())
    return False


@MANY
@given(cases(), st.booleans())
def test_what_a_corruption_does(case: Case, paper: bool) -> None:
    images, labels = case.images.copy(), case.labels.copy()
    if too_many(case, paper):
        with pytest.raises(UsageError, match=r"lower corruption\.size"):
            case.corrupted(paper=paper)
        return
    result = case.corrupted(paper=paper)
    assert np.array_equal(images, case.images), "the images were modified"
    assert np.array_equal(labels, case.labels), "the labels were modified"
    assert np.array_equal(result.true_labels, labels)
    where = result.corrupted
    assert where.dtype == np.int64
    assert len(where) == case.count
    assert (np.diff(where) > 0).all(), "sorted, each once"
    assert where.min() >= 0
    assert where.max() < len(labels)
    assert result.labels.min() >= 0
    assert result.labels.max() < case.classes
    rest = np.delete(np.arange(len(labels)), where)
    assert np.array_equal(result.labels[rest], labels[rest])
    assert np.array_equal(result.images[rest], images[rest])
    if not paper:
        assert (result.labels[where] != labels[where]).all(), "a label is true"
    if case.name == "poison-trigger":
        size = case.trigger_size
        assert (result.images[where][:, :, -size:, -size:] == 255).all()
        outside = np.ones((8, 8), dtype=bool)
        outside[-size:, -size:] = False
        assert np.array_equal(result.images[where][:, :, outside], images[where][:, :, outside])
    elif not kind_of(case.name).triggered:
        assert np.array_equal(result.images, images)
    again = case.corrupted(paper=paper)
    assert np.array_equal(again.labels, result.labels)
    assert np.array_equal(again.images, result.images)


@MANY
@given(st.integers(1, 300), st.lists(st.floats(0.001, 1.0), min_size=2, max_size=6), SEEDS)
def test_discovery_is_nested_exact_and_in_order(count: int, rates: list[float], seed: int) -> None:
    corrupted = np.arange(count) * 7 + 3
    before = corrupted.copy()
    sets = [discover(corrupted, rate, seed) for rate in sorted(rates)]
    assert np.array_equal(corrupted, before)
    for rate, found in zip(sorted(rates), sets, strict=True):
        assert len(found) == max(1, round(rate * count))
        assert (np.diff(found) > 0).all()
        assert np.isin(found, corrupted).all()
    assert all(set(small.tolist()) <= set(large.tolist()) for small, large in itertools.pairwise(sets))


@MANY
@given(SEEDS, SEEDS, st.sampled_from(sorted(CORRUPTIONS.own)))
def test_streams_are_disjoint(one: int, other: int, name: str) -> None:
    """Each use of chance has a stream that depends on its own seed alone."""
    uses: dict[str, Callable[[Seeds], object]] = {
        "corruption": lambda seeds: random_state(seeds.corruption, "corruption", name).randint(2**31, size=4).tolist(),
        "discovery": lambda seeds: random_state(seeds.corruption, "discovery").randint(2**31, size=4).tolist(),
        "original": lambda seeds: stream(seeds.training, "original"),
        "unlearning": lambda seeds: stream(seeds.unlearning, "unlearning"),
    }
    base = {use: draw(Seeds.all(one)) for use, draw in uses.items()}
    assert len({str(value) for value in base.values()}) == len(uses)
    for field, changed in {
        "corruption": {"corruption", "discovery"},
        "training": {"original"},
        "unlearning": {"unlearning"},
    }.items():
        seeds = Seeds(**{"corruption": one, "training": one, "unlearning": one, field: other})
        different = {use for use, draw in uses.items() if draw(seeds) != base[use]}
        assert different == (changed if one != other else set())


@pytest.mark.parametrize("name", PLANTED)
def test_every_corruption_is_covered_by_the_cases(name: str) -> None:
    images = np.arange(40 * 8 * 8, dtype=np.uint8).reshape(40, 1, 8, 8)  # a warp of one colour changes nothing
    case = Case(name, images, np.arange(40) % 4, 4, 10, (1, 2), 0, 2, 0)
    assert len(case.corrupted().corrupted) == 10
