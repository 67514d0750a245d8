"""Expansion of a suite into the specifications of its problems."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import (
    CleanTest,
    CorruptedSet,
    Corruption,
    Images,
    Indices,
    clean_test,
    corrupt,
    corruption_of,
    with_pattern,
)
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.discovery import discover, false_count, false_finds
from unlearnbench.problems.names import data_name
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.streams import Seeds, random_state
from unlearnbench.problems.suite import CorruptionName, Suite, seed_of


@dataclass(frozen=True)
class CaseSpec:
    """Specification of a corrupted training set. Determines every byte of it.

    Attributes:
        seed: the corruption seed; on an audited board, the number of a secret one.
        parameters: those of the corruption alone that are not at their default.
        commitment: that of the secret seeds, as in `Suite`.
        secret: the secret seed. None if it is not known here, and on an open board. Never stored, and in no key.
    """

    dataset: str
    data_fingerprint: str
    corruption: CorruptionName
    size: int
    seed: int
    class_pair: tuple[int, int] = (3, 5)
    target_class: int = 0
    trigger_size: int = 3
    paper: bool = False
    parameters: dict[str, Any] = field(default_factory=dict, hash=False)
    commitment: str | None = None
    secret: int | None = field(default=None, repr=False)

    def public(self) -> CaseSpec:
        """The specification without the secret seed."""
        return replace(self, secret=None)

    def stored(self) -> dict[str, Any]:
        """The specification as it is stored. Without parameters and commitment where there are none."""
        values = asdict(self.public())
        return {
            key: value for key, value in values.items() if key not in ("parameters", "commitment", "secret") or value
        }

    def drawn_from(self, seed: int) -> int:
        """The seed of random streams for one of the three seeds of a trial: all three are one on an audited board.

        Raises:
            UsageError: the seed is secret and not known here.
        """
        if self.commitment is None:
            return seed
        if self.secret is None:
            raise UsageError(f"the seeds with commitment {self.commitment} are secret: give their file (--seeds-from)")
        return self.secret

    @cached_property
    def rules(self) -> Corruption:
        """The corruption, with its parameters.

        Raises:
            UsageError: a parameter is unknown or invalid.
        """
        return corruption_of(self.corruption, asdict(self), self.parameters)

    def corrupted_set(self, dataset: Dataset) -> CorruptedSet:
        """Corrupt the training set of this data set."""
        rules, streams = self.rules, (self._random("corruption"), self._random("pattern"))
        truth = corrupt(rules, dataset.clean, self.size, *streams)
        if rules.planted or dataset.train_found is None:
            return truth
        return replace(truth, found=np.flatnonzero(dataset.train_found.numpy()))

    def clean_test(self, dataset: Dataset) -> CleanTest:
        """The clean test set of this data set, and what the corruption says about it."""
        return clean_test(self.rules, dataset.test_images.numpy(), dataset.test_labels.numpy(), dataset.clean)

    def with_pattern(self, images: Images) -> Images:
        """Images uint8 [N, C, S, S] with the pattern of the corruption, as in `corrupted_set`."""
        return with_pattern(self.rules, images, self._random("pattern"))

    def _random(self, use: str) -> np.random.RandomState:
        return random_state(self.drawn_from(self.seed), use, self.corruption)


@dataclass(frozen=True)
class ProblemSpec:
    """Specification of a problem: a case and a discovery rate."""

    case: CaseSpec
    discovery_rate: float
    """0 for methods that use no forget set. They get an empty one."""
    false_discovery: float = 0.0
    """Fraction of the found set that is clean."""

    def public(self) -> ProblemSpec:
        """The specification without the secret seed."""
        return replace(self, case=self.case.public())

    def stored(self) -> dict[str, Any]:
        """The specification as it is stored."""
        values = {"case": self.case.stored(), "discovery_rate": self.discovery_rate}
        return values | ({"false_discovery": self.false_discovery} if self.false_discovery else {})

    def found(self, truth: CorruptedSet) -> Indices:
        """The found set, D_f and false finds, as sorted positions in D_tr. Empty at a discovery rate of 0."""
        if self.discovery_rate == 0:
            return truth.corrupted[:0]
        if truth.found is not None:
            return truth.found
        seed = self.case.drawn_from(self.case.seed)
        discovered = discover(truth.corrupted, self.discovery_rate, seed, independent=self.case.paper)
        if not self.false_discovery:
            return discovered
        false = false_finds(truth.corrupted, len(truth.labels), len(discovered), self.false_discovery, seed)
        return np.union1d(discovered, false)


def problems(suite: Suite, dataset: Dataset, secrets: SecretSeeds | None = None) -> Iterator[tuple[ProblemSpec, Seeds]]:
    """Yield all problems of a suite with the seeds of their trials, ordered by corruption, seed and discovery rate.

    The first problem of each case has discovery rate 0. It is for methods that use no forget set.

    Args:
        secrets: the seeds of an audited suite.

    Raises:
        UsageError: a setting of the suite does not fit the data set, or it was drawn from other secret seeds.
    """
    if secrets is not None:
        secrets.check(suite)
    sizes = _fitting_sizes(suite, dataset)
    for corruption, seed in itertools.product(suite.corruptions, map(seed_of, suite.seeds)):
        case = case_of(suite, corruption, dataset.fingerprint, sizes[corruption], seed.corruption)
        if secrets is not None:
            case = replace(case, secret=secrets.seed(seed.corruption))
        yield ProblemSpec(case, 0.0), seed
        for rate in suite.discovery_rates:
            yield ProblemSpec(case, rate, suite.false_discovery), seed


def case_of(suite: Suite, corruption: str, data_fingerprint: str, size: int, seed: int) -> CaseSpec:
    """The case of a suite with this corruption, number of corrupted samples and corruption seed.

    Raises:
        UsageError: a parameter of the corruption is unknown or invalid.
    """
    settings = suite.corruption
    return CaseSpec(
        dataset=data_name(suite.dataset),
        data_fingerprint=data_fingerprint,
        corruption=corruption,
        size=size,
        seed=seed,
        class_pair=settings.class_pair,
        target_class=settings.target_class,
        trigger_size=settings.trigger_size,
        paper=suite.paper,
        parameters=suite.parameters_of(corruption),
        commitment=suite.commitment,
    )


def _fitting_sizes(suite: Suite, dataset: Dataset) -> dict[str, int]:
    """Number of samples to corrupt by corruption, after checking the suite against its data set.

    Raises:
        UsageError: a setting of the suite does not fit the data set.
    """
    settings, side = suite.corruption, dataset.train_images.shape[-1]
    count, highest = len(dataset.train_labels), len(dataset.classes) - 1
    named = {"class_pair[0]": settings.class_pair[0], "class_pair[1]": settings.class_pair[1]}
    for key, value in {**named, "target_class": settings.target_class}.items():
        if not 0 <= value <= highest:
            raise UsageError(
                f"suite '{suite.name}': corruption.{key} = {value}, but data set '{suite.dataset}' has classes"
                f" 0 to {highest}"
            )
    for key, pixels in {
        "corruption.trigger_size": settings.trigger_size,
        "recipe.crop_padding": suite.recipe.crop_padding,
    }.items():
        if pixels >= side:
            raise UsageError(
                f"suite '{suite.name}': {key} = {pixels}, but the images of data set '{suite.dataset}' are only {side}"
                " pixels wide: lower it"
            )
    test = dataset.test_images.numpy(), dataset.test_labels.numpy()
    for name in suite.corruptions:
        said = clean_test(suite.corruption_of(name), *test, dataset.clean)
        if (label := said.wrong.max()) > highest:
            raise UsageError(
                f"suite '{suite.name}': corruption '{name}' gives label {label}, but data set"
                f" '{suite.dataset}' has classes 0 to {highest}: change corruption.parameters.{name}"
            )
        for what, mask in {"healing": said.healed, "utility": said.utility}.items():
            if not mask.any():
                raise UsageError(
                    f"suite '{suite.name}': data set '{suite.dataset}' has no test images for measuring {what} of"
                    f" '{name}': raise test_size, or choose other classes or corruptions"
                )
    sizes = {name: _size(suite, name, dataset) for name in suite.corruptions}
    for name, size in sizes.items():
        if size + false_count(round(max(suite.discovery_rates) * size), suite.false_discovery) >= count:
            false = f" and false_discovery = {suite.false_discovery:g} leave" if suite.false_discovery else " leaves"
            raise UsageError(
                f"suite '{suite.name}': corruption.size = {settings.size}{false} none of the {count} training samples"
                f" clean for '{name}': lower it"
            )
    return sizes


def _size(suite: Suite, corruption: str, dataset: Dataset) -> int:
    """Number of samples to corrupt.

    Raises:
        UsageError: the data say what is corrupted and what was found, and the suite says something else.
    """
    size, count, clean = suite.corruption.size, len(dataset.train_labels), dataset.clean
    if suite.corruption_of(corruption).planted:
        return max(1, round(size * count)) if isinstance(size, float) else size
    if clean.given is None:
        raise UsageError(f"suite '{suite.name}': corruption '{corruption}' needs label_table, the labels as given")
    wrong = clean.given != clean.labels
    if not wrong.any():
        raise UsageError(
            f"suite '{suite.name}': none of the {count} training images has a wrong label in {suite.label_table}: set a"
            " larger train_size, or none"
        )
    if (found := dataset.train_found) is not None:
        discovered = int(wrong[found.numpy()].sum())
        rate = round(discovered / wrong.sum(), 4)
        if not discovered or suite.false_discovery or [round(item, 4) for item in suite.discovery_rates] != [rate]:
            raise UsageError(
                f"suite '{suite.name}': {suite.label_table} says which samples were found: {discovered} of the"
                f" {wrong.sum()} wrong ones; set discovery_rates = [{rate:g}], there and in [tuning], and no"
                " false_discovery, or remove its column 'found'"
            )
    return int(wrong.sum())
