"""The settings of a suite. `suite_file` reads them from TOML, and `grid` expands them into problems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import AfterValidator, StringConstraints

from unlearnbench.contract.recipe import STRICT, Budget, Count, Positive, Recipe
from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems.corruption import SHARED, Corruption, corruption_of
from unlearnbench.problems.names import CORRUPTIONS, data_name, table_name
from unlearnbench.problems.registry import ARCHITECTURES
from unlearnbench.problems.streams import Seeds

CorruptionName = Annotated[str, AfterValidator(CORRUPTIONS.known_row)]
"""NAME, or NAME/VARIANT for the same corruption with the parameters of a table of its own."""
Rate = Annotated[float, Gt(0), Le(1)]


@dataclass(frozen=True)
class Model:
    """The architecture of the originals. `width` multiplies the number of channels."""

    __pydantic_config__ = STRICT

    architecture: Annotated[str, AfterValidator(ARCHITECTURES.known)] = "resnet9"
    width: Annotated[float, Gt(0), Le(16)] = 1.0


Training = Literal["standard", "tied-dropout"]


@dataclass(frozen=True)
class Originals:
    """The original models that methods start from: one for each capacity and type of training.

    Attributes:
        capacities: fractions of the model's channels that are active.
        shared: with tied dropout, the fraction of all channels that every sample uses (p_fix). The others are
            memorisation channels, which are added to those of the capacity.
        memorisation: with tied dropout, the probability that a sample uses a given memorisation channel (p_mem).
    """

    __pydantic_config__ = STRICT

    capacities: Annotated[tuple[Rate, ...], Len(1)] = (0.5,)
    trainings: Annotated[tuple[Training, ...], Len(1)] = ("standard",)
    shared: Annotated[float, Gt(0), Lt(1)] = 0.5
    memorisation: Rate = 0.2


@dataclass(frozen=True)
class OriginalSpec:
    """A kind of original model: its capacity and its type of training."""

    capacity: float
    training: Training

    @property
    def label(self) -> str:
        """Name in figures and tables."""
        capacity = f"{100 * self.capacity:g}% capacity"
        return capacity if self.training == "standard" else f"{capacity}, tied dropout"


@dataclass(frozen=True)
class CorruptionSettings:
    """Settings of the corruptions.

    Attributes:
        size: a number of samples (int) or a fraction of the training set (float).
        parameters: by the name of a corruption, those of its parameters that are not at their default.
    """

    __pydantic_config__ = STRICT

    size: Annotated[int, Ge(1)] | Annotated[float, Gt(0), Le(1)] = 1000
    class_pair: tuple[int, int] = (3, 5)
    target_class: Annotated[int, Ge(0)] = 0
    trigger_size: Count = 3
    parameters: dict[CorruptionName, dict[str, Any]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Limits:
    """Time and memory limits of a trial. A trial that exceeds them is stopped and recorded as failed."""

    __pydantic_config__ = STRICT

    seconds: Positive = 3600.0
    memory_gib: Annotated[float, Ge(2**-10), Le(2**20)] = 8.0


@dataclass(frozen=True)
class Tuning:
    """Tuning budget of each method: the number of tries, and the seeds and discovery rates that each try runs on."""

    __pydantic_config__ = STRICT

    seeds: Annotated[tuple[int, ...], Len(1)] = (1_000_000, 1_000_001)
    discovery_rates: Annotated[tuple[Rate, ...], Len(1)] = (0.1, 0.5, 1.0)
    tries: Count = 16


@dataclass(frozen=True)
class Suite:
    """A grid of corruptions x discovery rates x seeds x originals on one data set, with one recipe and one budget.

    Attributes:
        variants: each method runs those of these variants that it has, and the first of them is the ranked one. A
            method that has none of them runs its default variant.
        methods: the submissions to run, as NAME or NAME/VARIANT. If empty, all except ablations.
        false_discovery: the fraction of what counts as found that is clean.
        label_table: file with the labels that came with the data, for corruption `given` (`problems.label_table`).
        paper: follow the published code, for comparison with published tables: independent discovery draws, label swaps
            that may return the true label, target-class samples among the poisoned ones and in the triggered test set,
            and the first images of a class instead of random ones.
        commitment: SHA-256 of the file of secret seeds that this audited suite was drawn from (`secret_seeds`), whose
            seeds are then numbered from 1. None if the seeds are public.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$", max_length=100)]
    title: str
    dataset: Annotated[str, Len(1, 200)]
    discovery_rates: Annotated[tuple[Rate, ...], Len(1)]
    seeds: Annotated[tuple[int | Seeds, ...], Len(1)]
    recipe: Recipe
    budget: Budget
    corruptions: Annotated[tuple[CorruptionName, ...], Len(1)] = ("random-swap", "class-swap", "poison-trigger")
    corruption: CorruptionSettings = field(default_factory=CorruptionSettings)
    false_discovery: Annotated[float, Ge(0), Lt(1)] = 0.0
    model: Model = field(default_factory=Model)
    originals: Originals = field(default_factory=Originals)
    tuning: Tuning = field(default_factory=Tuning)
    variants: Annotated[tuple[str, ...], Len(1)] = ("default",)
    methods: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    image_size: Annotated[int, Ge(1), Le(4096)] | None = None
    train_size: Count | None = None
    test_size: Count | None = None
    label_table: Annotated[str, Len(1, 200)] | None = None
    threads: Annotated[int, Ge(1), Le(1024)] = 1
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    low_utility: Literal["relative", "absolute"] = "relative"
    paper: bool = False
    commitment: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def base(self) -> OriginalSpec:
        """The first kind of original. Results on it are labelled with the name of the method alone."""
        return OriginalSpec(self.originals.capacities[0], self.originals.trainings[0])

    def stored(self) -> dict[str, Any]:
        """The settings as they are stored: without paths (`data_name`), and without what few suites set."""
        values = asdict(self) | {"dataset": data_name(self.dataset)}
        values["label_table"] = None if self.label_table is None else table_name(self.label_table)
        seldom = ("commitment", "false_discovery", "label_table")
        return {name: value for name, value in values.items() if name not in seldom or value}

    def select(
        self, seeds: Sequence[int] = (), discovery_rates: Sequence[float] = (), corruptions: Sequence[str] = ()
    ) -> Suite:
        """The suite restricted to part of its grid. An empty selection keeps the whole axis.

        Args:
            seeds: corruption seeds. Each selects all entries with this corruption seed.

        Raises:
            UsageError: a value is not in the grid.
        """
        chosen: dict[str, Any] = {}
        for axis, wanted in (("seeds", seeds), ("discovery_rates", discovery_rates), ("corruptions", corruptions)):
            there = [(seed_of(item).corruption if axis == "seeds" else item, item) for item in getattr(self, axis)]
            for item in wanted:
                if item not in dict(there):
                    kind = axis.removesuffix("s").replace("_", " ")
                    raise UsageError(unknown(kind, item, dict(there), f" in suite '{self.name}'"))
            if wanted:
                chosen[axis] = tuple(item for name, item in there if name in wanted)
        return replace(self, **chosen)

    def corruption_of(self, name: str) -> Corruption:
        """The corruption of a row, with its parameters.

        Raises:
            UsageError: a parameter is unknown or invalid.
        """
        return corruption_of(
            name, asdict(self.corruption) | {"paper": self.paper}, self.corruption.parameters.get(name, {})
        )

    def parameters_of(self, name: str) -> dict[str, Any]:
        """The parameters of a row that are neither settings of the suite nor defaults, as a store gives them back.

        Raises:
            UsageError: a parameter is unknown or invalid.
        """
        rules, shared = self.corruption_of(name), asdict(self.corruption) | {"paper": self.paper}
        defaults = {item.name: item.default for item in fields(rules)} | {key: shared[key] for key in SHARED}
        given = {key: getattr(rules, key) for key in self.corruption.parameters.get(name, {})}
        changed = {key: value for key, value in given.items() if value != defaults[key]}
        return dict(json.loads(json.dumps(changed)))

    def recipe_of(self, original: OriginalSpec) -> Recipe:
        """The training recipe of this kind of original."""
        if original.training == "standard":
            return self.recipe
        return replace(self.recipe, tied_dropout=self.originals.memorisation, shared=self.originals.shared)


def seed_of(item: int | Seeds) -> Seeds:
    """The three seeds of an entry of `Suite.seeds`. An integer is used for all three."""
    return item if isinstance(item, Seeds) else Seeds.all(item)
