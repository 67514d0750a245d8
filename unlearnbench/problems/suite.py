"""Suites: what to run, and the frozen specification of each problem in it (`suite_file` reads the files)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import StringConstraints

from unlearnbench.contract.recipe import STRICT, Budget, Count, Positive, Recipe
from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import CORRUPTIONS, CorruptedSet, Corruption, Indices, corrupt
from unlearnbench.problems.discovery import discover
from unlearnbench.problems.streams import Seeds, random_state

if TYPE_CHECKING:
    from unlearnbench.problems.datasets import Dataset

CorruptionName = Literal["random-swap", "class-swap", "poison-trigger"]
Rate = Annotated[float, Gt(0), Le(1)]


@dataclass(frozen=True)
class Model:
    """The architecture of the originals; `width` is a factor on all channels."""

    __pydantic_config__ = STRICT

    architecture: Literal["resnet9", "vit", "vit-small"] = "resnet9"
    width: Annotated[float, Gt(0), Le(16)] = 1.0


Training = Literal["standard", "tied-dropout"]


@dataclass(frozen=True)
class Originals:
    """Which originals the methods stand on: every capacity with every kind of training.

    capacities: active shares of the channels of the model's width.
    shared: with tied dropout, the share of all channels that every sample sees (p_fix); the others are memorisation
        channels, which stand beside those of the capacity.
    memorisation: with tied dropout, the probability that a sample sees a memorisation channel (p_mem).
    """

    __pydantic_config__ = STRICT

    capacities: Annotated[tuple[Rate, ...], Len(1)] = (0.5,)
    trainings: Annotated[tuple[Training, ...], Len(1)] = ("standard",)
    shared: Annotated[float, Gt(0), Lt(1)] = 0.5
    memorisation: Rate = 0.2


@dataclass(frozen=True)
class OriginalSpec:
    """One kind of original, as a row of a figure stands on it."""

    capacity: float
    training: Training

    @property
    def label(self) -> str:
        """How figures and tables call it."""
        capacity = f"{100 * self.capacity:g}% capacity"
        return capacity if self.training == "standard" else f"{capacity}, tied dropout"


@dataclass(frozen=True)
class CorruptionSettings:
    """How much is corrupted (a number of samples, or a share of the training set) and by which labels."""

    __pydantic_config__ = STRICT

    size: Annotated[int, Ge(1)] | Annotated[float, Gt(0), Le(1)] = 1000
    class_pair: tuple[int, int] = (3, 5)
    target_class: Annotated[int, Ge(0)] = 0
    trigger_size: Count = 3


@dataclass(frozen=True)
class Limits:
    """What one trial may take before it is stopped and recorded as failed."""

    __pydantic_config__ = STRICT

    seconds: Positive = 3600.0
    memory_gib: Annotated[float, Ge(2**-10), Le(2**20)] = 8.0


@dataclass(frozen=True)
class Tuning:
    """What every method may spend on its hyperparameters: `tries`, each on these seeds and discovery rates."""

    __pydantic_config__ = STRICT

    seeds: Annotated[tuple[int, ...], Len(1)] = (1_000_000, 1_000_001)
    discovery_rates: Annotated[tuple[Rate, ...], Len(1)] = (0.1, 0.5, 1.0)
    tries: Count = 16


@dataclass(frozen=True)
class Suite:
    """A grid: corruptions x discovery rates x seeds on one data set, one kind of original, one budget.

    `paper` makes the published choices (independent discovery draws, label swaps that may hit the true label,
    target-class samples among the poisoned and in the triggered test set, the first images of a class) so that
    published tables can be compared.
    `methods` are the submissions that are run, by name or as NAME/VARIANT; without it all but ablations. Of a name
    those of `variants` are run that it has, and the first of them is the ranked one; one that has none is run as it is.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$", max_length=100)]
    title: str
    dataset: Annotated[str, Len(1, 200)]
    discovery_rates: Annotated[tuple[Rate, ...], Len(1)]
    seeds: Annotated[tuple[int | Seeds, ...], Len(1)]
    recipe: Recipe
    budget: Budget
    corruptions: Annotated[tuple[CorruptionName, ...], Len(1)] = get_args(CorruptionName)
    corruption: CorruptionSettings = field(default_factory=CorruptionSettings)
    model: Model = field(default_factory=Model)
    originals: Originals = field(default_factory=Originals)
    tuning: Tuning = field(default_factory=Tuning)
    variants: Annotated[tuple[str, ...], Len(1)] = ("default",)
    methods: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    image_size: Annotated[int, Ge(1), Le(4096)] | None = None
    train_size: Count | None = None
    test_size: Count | None = None
    threads: Annotated[int, Ge(1), Le(1024)] = 1
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    low_utility: Literal["relative", "absolute"] = "relative"
    paper: bool = False

    @property
    def base(self) -> OriginalSpec:
        """Its first kind of original: a method is called by its name alone on this one."""
        return OriginalSpec(self.originals.capacities[0], self.originals.trainings[0])

    def part(
        self, seeds: Sequence[int] = (), discovery_rates: Sequence[float] = (), corruptions: Sequence[str] = ()
    ) -> Suite:
        """The suite with a part of its grid; all of an axis that nothing is chosen of.

        A seed stands for all entries with this corruption seed.

        Raises:
            UsageError: something that is not in the grid.
        """
        chosen: dict[str, Any] = {}
        for axis, wanted in (("seeds", seeds), ("discovery_rates", discovery_rates), ("corruptions", corruptions)):
            there = [(seed_of(item).corruption if axis == "seeds" else item, item) for item in getattr(self, axis)]
            for item in wanted:
                if item not in dict(there):
                    known = ", ".join(map(str, dict(there)))
                    raise UsageError(f"suite '{self.name}' has no {item} among its {axis}; there are: {known}")
            if wanted:
                chosen[axis] = tuple(item for name, item in there if name in wanted)
        return replace(self, **chosen)

    def recipe_of(self, original: OriginalSpec) -> Recipe:
        """The recipe that trains this kind of original."""
        if original.training == "standard":
            return self.recipe
        return replace(self.recipe, tied_dropout=self.originals.memorisation, shared=self.originals.shared)


def seed_of(item: int | Seeds) -> Seeds:
    """The three seeds that an entry of a suite's `seeds` stands for."""
    return item if isinstance(item, Seeds) else Seeds.all(item)


@dataclass(frozen=True)
class ProblemSpec:
    """One problem: which data are corrupted how, and which part of that was discovered. It decides every byte."""

    dataset: str
    data_fingerprint: str
    corruption: CorruptionName
    size: int
    discovery_rate: float
    """0 for methods that use no forget set: theirs is empty."""
    seed: int
    class_pair: tuple[int, int] = (3, 5)
    target_class: int = 0
    trigger_size: int = 3
    paper: bool = False

    @property
    def rules(self) -> Corruption:
        kind = CORRUPTIONS[self.corruption]
        return kind(self.class_pair, self.target_class, self.trigger_size, self.paper)

    def corrupted_set(self, dataset: Dataset) -> CorruptedSet:
        """D_tr and the truth about it; the same for every discovery rate."""
        random = random_state(self.seed, "corruption", self.corruption)
        images, labels = dataset.train_images.numpy(), dataset.train_labels.numpy()
        return corrupt(self.rules, images, labels, len(dataset.classes), self.size, random)

    def forget_positions(self, corrupted: Indices) -> Indices:
        """D_f, sorted positions in D_tr; none at a discovery rate of 0."""
        if self.discovery_rate == 0:
            return corrupted[:0]
        return discover(corrupted, self.discovery_rate, self.seed, independent=self.paper)

    def original_identity(self) -> dict[str, Any]:
        """The part of the specification that an original depends on."""
        return {key: value for key, value in asdict(self).items() if key != "discovery_rate"}


def problems(suite: Suite, dataset: Dataset) -> Iterator[tuple[ProblemSpec, Seeds]]:
    """All problems of a suite with the seeds of their trials: corruptions, then seeds, then discovery rates.

    The rate 0 comes first: the problem of methods that use no forget set.
    """
    settings, size = suite.corruption, _fitting_size(suite, dataset)
    for corruption, seed, rate in itertools.product(suite.corruptions, suite.seeds, (0.0, *suite.discovery_rates)):
        seeds = seed_of(seed)
        spec = ProblemSpec(
            dataset=suite.dataset,
            data_fingerprint=dataset.fingerprint,
            corruption=corruption,
            size=size,
            class_pair=settings.class_pair,
            target_class=settings.target_class,
            trigger_size=settings.trigger_size,
            paper=suite.paper,
            discovery_rate=rate,
            seed=seeds.corruption,
        )
        yield spec, seeds


def _fitting_size(suite: Suite, dataset: Dataset) -> int:
    """How many samples are corrupted.

    Raises:
        UsageError: the suite's settings and its data set do not fit.
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
                f"suite '{suite.name}': {key} = {pixels}, but the images of data set '{suite.dataset}' have a side of"
                f" {side} pixels: lower it"
            )
    labels = dataset.test_labels.numpy()
    for name in suite.corruptions:
        rules = CORRUPTIONS[name](settings.class_pair, settings.target_class, settings.trigger_size, suite.paper)
        for what, mask in {"healing": rules.healed_test(labels), "utility": rules.utility_test(labels)}.items():
            if not np.any(mask):
                raise UsageError(
                    f"suite '{suite.name}': data set '{suite.dataset}' has no test images to measure {what} of"
                    f" '{name}' on: raise test_size, or choose other classes or corruptions"
                )
    return size
