"""Expansion of a suite into the specifications of its problems."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import CORRUPTIONS, CorruptedSet, Corruption, Indices, corrupt
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.discovery import discover
from unlearnbench.problems.secret_seeds import SecretSeeds
from unlearnbench.problems.streams import Seeds, random_state
from unlearnbench.problems.suite import CorruptionName, Suite, seed_of


@dataclass(frozen=True)
class CaseSpec:
    """Specification of a corrupted training set. Determines every byte of it.

    Attributes:
        seed: the corruption seed; on an audited board, the number of a secret one.
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
    commitment: str | None = None
    secret: int | None = field(default=None, repr=False)

    def public(self) -> CaseSpec:
        """The specification without the secret seed."""
        return replace(self, secret=None)

    def stored(self) -> dict[str, Any]:
        """The specification as it is stored. Those of open boards have no commitment."""
        values = asdict(self.public())
        return {name: value for name, value in values.items() if name not in ("commitment", "secret") or value}

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

    @property
    def rules(self) -> Corruption:
        kind = CORRUPTIONS[self.corruption]
        return kind(self.class_pair, self.target_class, self.trigger_size, self.paper)

    def corrupted_set(self, dataset: Dataset) -> CorruptedSet:
        """Corrupt the training set of this data set."""
        random = random_state(self.drawn_from(self.seed), "corruption", self.corruption)
        images, labels = dataset.train_images.numpy(), dataset.train_labels.numpy()
        return corrupt(self.rules, images, labels, len(dataset.classes), self.size, random)


@dataclass(frozen=True)
class ProblemSpec:
    """Specification of a problem: a case and a discovery rate."""

    case: CaseSpec
    discovery_rate: float
    """0 for methods that use no forget set. They get an empty one."""

    def public(self) -> ProblemSpec:
        """The specification without the secret seed."""
        return replace(self, case=self.case.public())

    def stored(self) -> dict[str, Any]:
        """The specification as it is stored."""
        return {"case": self.case.stored(), "discovery_rate": self.discovery_rate}

    def forget_positions(self, corrupted: Indices) -> Indices:
        """D_f as sorted positions in D_tr. Empty at a discovery rate of 0."""
        if self.discovery_rate == 0:
            return corrupted[:0]
        seed = self.case.drawn_from(self.case.seed)
        return discover(corrupted, self.discovery_rate, seed, independent=self.case.paper)


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
    settings, size = suite.corruption, _fitting_size(suite, dataset)
    for corruption, seed in itertools.product(suite.corruptions, map(seed_of, suite.seeds)):
        case = CaseSpec(
            dataset=suite.dataset,
            data_fingerprint=dataset.fingerprint,
            corruption=corruption,
            size=size,
            seed=seed.corruption,
            class_pair=settings.class_pair,
            target_class=settings.target_class,
            trigger_size=settings.trigger_size,
            paper=suite.paper,
            commitment=suite.commitment,
            secret=None if secrets is None else secrets.seed(seed.corruption),
        )
        for rate in (0.0, *suite.discovery_rates):
            yield ProblemSpec(case, rate), seed


def _fitting_size(suite: Suite, dataset: Dataset) -> int:
    """Number of samples to corrupt, after checking the suite against its data set.

    Raises:
        UsageError: a setting of the suite does not fit the data set.
    """
    settings, side = suite.corruption, dataset.train_images.shape[-1]
    count, highest = len(dataset.train_labels), len(dataset.classes) - 1
    size = max(1, round(settings.size * count)) if isinstance(settings.size, float) else settings.size
    named = {"class_pair[0]": settings.class_pair[0], "class_pair[1]": settings.class_pair[1]}
    for key, value in {**named, "target_class": settings.target_class}.items():
        if not 0 <= value <= highest:
            raise UsageError(
                f"suite '{suite.name}': corruption.{key} = {value}, but data set '{suite.dataset}' has classes"
                f" 0 to {highest}"
            )
    if size >= count:
        raise UsageError(
            f"suite '{suite.name}': corruption.size = {settings.size} leaves none of the {count} training samples"
            " clean: lower it"
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
    labels = dataset.test_labels.numpy()
    for name in suite.corruptions:
        rules = CORRUPTIONS[name](settings.class_pair, settings.target_class, settings.trigger_size, suite.paper)
        for what, mask in {"healing": rules.healed_test(labels), "utility": rules.utility_test(labels)}.items():
            if not np.any(mask):
                raise UsageError(
                    f"suite '{suite.name}': data set '{suite.dataset}' has no test images for measuring {what} of"
                    f" '{name}': raise test_size, or choose other classes or corruptions"
                )
    return size
