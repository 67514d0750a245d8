"""The content of a board's pages as data, without markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS, FEWEST_SEEDS, Estimate
from unlearnbench.problems.corruption import kind_of
from unlearnbench.report.figures.regions import Region
from unlearnbench.report.numbers.budget import MARKED
from unlearnbench.report.numbers.current import Stale
from unlearnbench.report.numbers.frames import State
from unlearnbench.report.numbers.parts import Part
from unlearnbench.report.numbers.scores import SHARES
from unlearnbench.report.numbers.totals import REFERENCE
from unlearnbench.report.wording import MAINTAINERS, demonstration, standing
from unlearnbench.store.schema import RunRow, SubmissionRow

METRICS = SHARES
"""What maps and the ranking can show, in order."""

Row = dict[Hashable, Any]
"""A row of a frame: of a `ranking`, or of a board."""


def letter(index: int) -> str:
    """A, B, ..., Z, A1, B1, ..."""
    return chr(ord("A") + index % 26) + (str(index // 26) if index >= 26 else "")


@dataclass(frozen=True)
class Trial:
    """One trial of a cell. Values are in percent, nan if not measured; a failed trial's aggregate is 0."""

    key: str | None
    """That of its record; None if it was not run."""
    seed: str
    state: str
    reason: str
    values: dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One cell of a method's map: means over seeds in percent, the product's interval, and the trials."""

    corruption: str
    rate: float
    """Discovery rate in percent."""
    state: State
    values: dict[str, float]
    product: Estimate
    """Mean and interval over seeds; the ends are nan with fewer than three."""
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Failure:
    """The trials of a method that failed for one reason."""

    reason: str
    count: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """Everything shown of one row of the ranking."""

    name: str
    page: str
    """File name of its page."""
    row: Row
    called: str
    """What commands call it: NAME or NAME/VARIANT."""
    submission: SubmissionRow
    hyperparameters: dict[str, Any]
    source_hash: str
    cells: tuple[tuple[Cell, ...], ...]
    """Rows by corruption, most regular first; columns by rising discovery rate."""
    originals: tuple[dict[str, float], ...]
    """The metrics of the original models for each row, in percent."""
    started: tuple[tuple[int, ...], ...]
    """For each row and each seed of its cells, equal numbers for the same original models; -1 if not whole."""
    failures: tuple[Failure, ...]
    forward_samples: float
    backward_samples: float
    """Mean number of samples over finished trials; nan if not counted."""
    blind: bool
    """Whether it gets no forget set."""

    @property
    def example(self) -> str:
        """The key of its first finished trial; empty if there is none."""
        trials = (trial for row in self.cells for cell in row for trial in cell.trials)
        return next((trial.key for trial in trials if trial.key and trial.state == "finished"), "")

    @property
    def name_of_page(self) -> str:
        """The page without its suffix, which identifies the method in addresses."""
        return self.page.removesuffix(".html").removeprefix("method-")

    @property
    def over_budget(self) -> bool:
        return bool(self.row["budget"] > MARKED)

    @property
    def own(self) -> bool:
        """Whether it is ranked and by the people who maintain the board."""
        return not self.reference and MAINTAINERS in self.submission.authors

    @property
    def reference(self) -> bool:
        return bool(self.row["role"] == REFERENCE)


@dataclass(frozen=True)
class Group:
    """Methods that are listed together."""

    title: str
    note: str
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class Run:
    """A run that contributed, and the number of shown trials that it recorded."""

    row: RunRow
    recorded: int
    origins: tuple[str, ...]
    """Where its records come from; empty if it ran on this store."""
    changed: tuple[tuple[str, str], ...]
    """Keys of the run's suite that differ from the board's suite, with the run's values."""


@dataclass(frozen=True)
class Winner:
    """Who has the largest mean in a cell, among the ranked methods on the suite's first kind of original."""

    method: Method
    cell: Cell
    certain: bool
    """Whether it alone has rank 1 there, and all others have ranks."""


@dataclass(frozen=True)
class Content:
    """Everything on the pages of one board."""

    suite: str
    title: str
    dataset: str
    latest: RunRow
    specification: tuple[tuple[str, str], ...]
    """The suite as dotted keys and JSON values."""
    runs: tuple[Run, ...]
    corruptions: dict[str, str]
    """Each row in words, by corruption, most regular first."""
    short: dict[str, str]
    """Short row labels by corruption."""
    rates: tuple[float, ...]
    """Discovery rates in percent."""
    groups: tuple[Group, ...]
    leaders: tuple[Method, ...]
    """The ranked methods on the suite's first kind of original that may have rank 1, the largest mean first; without
    ranks, the one with the largest mean."""
    rivals: int
    """Number of ranked methods on that kind of original."""
    unranked: int
    """How many of them have no rank, for want of seeds."""
    winners: tuple[tuple[Winner | None, ...], ...]
    """By cell of the map; None where no ranked method has a value."""
    ranks: dict[Part, dict[str, tuple[int, int]]]
    """As `numbers.parts.ranks_by_part`."""
    csv: str
    """The ranking at full precision."""
    provenance: tuple[str, ...]
    """Where the numbers come from, in sentences."""
    strict: str
    """The option of `run` that asks for the highest level of isolation on the board, with a space before; or empty."""
    called: str
    """What `run` calls the suite."""
    secret: str
    """The option that names the seeds of an audited suite, with a space before; or empty."""
    commands: tuple[tuple[str, str], ...]
    """What a command repeats, and the command."""
    regions: tuple[Region, ...]
    """The parts of the plane that prior work studied."""
    originals: tuple[Row, ...]
    correlations: tuple[Row, ...]
    """The rows of `frames.healing_correlation`."""
    beyond: tuple[Row, ...]
    without_oracle: str
    """A sentence, without its stop, where the oracle did not run everywhere; or empty."""
    """Trials that heal more than the oracle."""
    incomplete: tuple[Row, ...]
    """Incomplete seeds."""
    stale: tuple[Stale, ...]
    unpaired: str
    """A sentence on methods compared unpaired; empty if there are none."""
    uneven: str
    """A sentence on rows that are means over different seeds; empty if there are none."""
    over_budget: str
    """A sentence on methods that exceeded the budget; empty if there are none."""
    budget: str
    """The budget in words."""
    trials: int
    failed: int
    missing: int
    seeds: int
    openness: str
    """Whether the seeds are public."""

    @property
    def demonstration(self) -> str:
        return demonstration(self.seeds)

    @property
    def longest_word(self) -> int:
        """Length of the longest word in a short row label, which sets the width of that column."""
        return max(len(word) for label in self.short.values() for word in label.split())

    @property
    def ranks_need(self) -> int:
        return FEWEST_FOR_RANKS

    @property
    def few(self) -> bool:
        """Whether there are too few seeds for intervals."""
        return self.seeds < FEWEST_SEEDS

    @property
    def even(self) -> bool:
        """Whether all methods have the same number of whole seeds."""
        return len({method.row["seeds"] for method in self.methods}) <= 1

    @property
    def studied(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """For each row of the map its label, and for each cell the initials of the regions that have it."""
        return tuple(
            (self.short[name], tuple(self._studied(kind_of(name).regularity, rate) for rate in self.rates))
            for name in self.short
        )

    def _studied(self, regularity: str, rate: float) -> str:
        return " ".join(
            region.label[0]
            for region in self.regions
            if regularity in region.regularities and region.rates[0] <= round(rate, 6) <= region.rates[1]
        )

    @property
    def unlearnt(self) -> tuple[Row, ...]:
        """The originals that did not learn their corruption."""
        return tuple(row for row in self.originals if not row["absorbed"])

    @property
    def letters(self) -> tuple[tuple[str, Method, int], ...]:
        """A letter for each winner of a cell, the most frequent first, and the number of its cells."""
        methods = [winner.method for row in self.winners for winner in row if winner]
        by_name = {method.name: method for method in methods}
        counts = Counter(method.name for method in methods).most_common()
        return tuple((letter(index), by_name[name], count) for index, (name, count) in enumerate(counts))

    @property
    def standing(self) -> str:
        return standing(self.seeds)

    @property
    def methods(self) -> tuple[Method, ...]:
        return tuple(method for group in self.groups for method in group.methods)
