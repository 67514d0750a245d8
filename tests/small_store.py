"""A small store, made from rows: 3 regularities x 2 discovery rates x 2 seeds."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.orm import Session

from tests import rows
from unlearnbench import Budget, Recipe
from unlearnbench.problems.streams import Seeds
from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.board import Board, read_board
from unlearnbench.store.schema import Base

START = datetime(2026, 1, 1, 12, 0)
CORRUPTIONS = {"low": "random-swap", "medium": "class-swap", "high": "poison-trigger"}
CELLS = [(regularity, rate, seed) for regularity in CORRUPTIONS for rate in (0.1, 1.0) for seed in (0, 1)]
Cell = tuple[str, float, int]
SUFFIX = {"standard": "", "tied-dropout": " tied", "process": "", "strict": " strict"}
SUFFIX |= {"float32": "", "bfloat16": " bfloat16"}


def specification(name: str = "small", **changes: Any) -> dict[str, Any]:
    """What a run stores of its suite: 2 discovery rates x 2 seeds."""
    values: dict[str, Any] = {
        "name": name,
        "title": "A small suite",
        "dataset": "digits",
        "discovery_rates": (0.1, 1.0),
        "seeds": tuple(Seeds(seed, 10 + seed, 20 + seed) for seed in (0, 1)),
        "recipe": Recipe(steps=10, batch_size=10, peak_learning_rate=0.1),
        "budget": Budget(steps=2, batch_size=10, learning_rate=0.1),
    }
    table: dict[str, Any] = json.loads(json.dumps(asdict(Suite(**values | changes))))
    return table


@dataclass(frozen=True)
class Stored:
    """Writes rows; every name is its own key."""

    engine: Engine

    def run(
        self,
        key: str,
        suite: str = "small",
        day: int = 0,
        isolation: str = "process",
        protocol: int = 1,
        data: str = "data",
        **changes: Any,
    ) -> None:
        """A run of a suite, whose specification may be changed."""
        self._add(
            rows.run(
                id=key,
                suite=suite,
                suite_specification=specification(suite, **changes),
                data_fingerprint=data,
                protocol_version=protocol,
                started_at=START + timedelta(days=day),
                hardware={"processor": "two cores"},
                isolation=isolation,
                revision="abc123",
            )
        )

    def submission(self, key: str, name: str, variant: str = "default", role: str = "ranked") -> None:
        self._add(
            rows.submission(
                key=key,
                name=name,
                variant=variant,
                title=name.title(),
                authors=[],
                license="",
                role=role,
                hyperparameters={"steps": 2, "rate": 0.1},
                source_hash=f"source of {key}",
            )
        )

    def problems(self, absorbed: bool = True, cells: Sequence[Cell] = tuple(CELLS)) -> None:
        for regularity, rate, seed in cells:
            self._add(
                rows.problem(
                    key=f"{regularity} {rate} {seed}",
                    specification={},
                    corruption=CORRUPTIONS[regularity],
                    regularity=regularity,
                    discovery_rate=rate,
                    corruption_seed=seed,
                    discovered=round(10 * rate),
                )
            )
            for training in ("standard", "tied-dropout"):
                self._add(
                    rows.original(
                        key=f"{regularity} {seed}{SUFFIX[training]}",
                        specification={},
                        training=training,
                        training_seed=10 + seed,
                        weights_hash=f"weights of {regularity} {seed}{SUFFIX[training]}",
                        absorbed=absorbed or regularity != "low",
                        healed_train=0.1 * (seed + 1),
                        utility_train=0.9,
                    )
                )

    def trial(
        self,
        run: str,
        submission: str,
        cell: Cell,
        state: str = "finished",
        healed: float = 0.5,
        healed_test: float = 0.4,
        utility: float = 0.8,
        seconds: float = 2.0,
        reason: str = "timeout",
        training: str = "standard",
        isolation: str = "process",
        precision: str = "float32",
        weights: str = "weights",
        misled: float | None = None,
    ) -> None:
        """Plan a trial, and store its record unless it is missing.

        precision: of its original, which is another one for each.
        weights: begins the checksum of the original that the record names.
        misled: share of D_f that still gets its wrong label; a trial of `retrain` with one measures regularity.
        """
        regularity, rate, seed = cell
        suffix = f"{SUFFIX[training]}{SUFFIX[precision]}"
        problem, original = f"{regularity} {rate} {seed}", f"{regularity} {seed}{suffix}"
        key = f"{submission} {problem}{suffix}{SUFFIX[isolation]}"
        common = {
            "run_id": run,
            "problem_key": problem,
            "submission_key": submission,
            "original_key": original,
            "training_seed": 10 + seed,
            "unlearning_seed": 20 + seed,
        }
        self._add(rows.planned(trial_key=key, training=training, **common))
        record = {
            "key": key,
            "original_weights_hash": f"{weights} of {original}",
            "precision": precision,
            "isolation": isolation,
            "created_at": START,
        }
        if state == "failed":
            unmeasured = dict.fromkeys(("seconds", "processor_seconds", "forward_samples", "backward_samples"))
            self._add(rows.failed(reason=reason, detail=None, **common, **record, **unmeasured))
        if state == "finished":
            measured = {
                "healed_train": healed,
                "healed_discovered": healed,
                "healed_undiscovered": healed / 2 if rate < 1 else None,
                "misled_discovered": misled,
                "misled_undiscovered": 0.3 if rate < 1 else None,
                "attack_success": 0.25 if regularity != "low" else None,
                "healed_test": healed_test,
                "utility": utility,
                "utility_train": utility,
                "aggregate": healed * utility,
                "seconds": seconds,
                "processor_seconds": seconds,
                "forward_samples": 100,
                "weights_hash": None,
            }
            self._add(rows.trial(**common, **record, **measured))

    def column(self, run: str = "first", seeds: int = 8, day: int = 0, protocol: int = 1) -> None:
        """A run of a suite of one cell, `high` at 100%, and of so many seeds."""
        numbers = tuple(Seeds(seed, 10 + seed, 20 + seed) for seed in range(seeds))
        self.run(
            run,
            day=day,
            protocol=protocol,
            seeds=numbers,
            corruptions=(CORRUPTIONS["high"],),
            discovery_rates=(1.0,),
        )
        self.problems(cells=[("high", 1.0, seed) for seed in range(seeds)])

    def scored(
        self,
        method: str,
        healed: Sequence[float],
        *,
        run: str = "first",
        role: str = "ranked",
        utility: float = 1.0,
        **trial: Any,
    ) -> None:
        """A method (or NAME/VARIANT) that healed so much in the seeds of a `column`, one trial each."""
        name, _, variant = method.partition("/")
        self.submission(method, name, variant or "default", role)
        for seed, value in enumerate(healed):
            self.trial(run, method, ("high", 1.0, seed), healed=value, utility=utility, **trial)

    def board(self, suite: str = "small", **options: Any) -> Board:
        return read_board(self.engine, suite, **options)

    def _add(self, row: Base) -> None:
        """As the store does: a row whose key is there stays as it is."""
        with Session(self.engine) as session, session.begin():
            if session.get(type(row), inspect(type(row)).primary_key_from_instance(row)) is None:
                session.add(row)


@pytest.fixture
def stored() -> Iterator[Stored]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield Stored(engine)
    engine.dispose()


@pytest.fixture
def small(stored: Stored) -> Stored:
    """The store of `fill`."""
    return fill(stored)


@pytest.fixture
def measured(stored: Stored) -> Stored:
    """The same, where retraining measured how regular each corruption is."""
    return fill(stored, measured=True)


@pytest.fixture(scope="module")
def small_of_module() -> Iterator[Stored]:
    """The store of `fill`, made once for all tests of a module."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield fill(Stored(engine))
    engine.dispose()


MISLED = {"low": 0.0, "medium": 0.25, "high": 0.75}
"""What `fill` measures as regularities, at 10% discovery."""


def fill(stored: Stored, *, measured: bool = False) -> Stored:
    """`good` finishes all; `flaky` fails one seed of a cell, a whole cell, and has a missing and a half missing cell;
    `retrain` is slow; `oracle` is a reference and better than all."""
    stored.run("first")
    stored.problems()
    for name, role in {"good": "ranked", "flaky": "ranked", "retrain": "ranked", "oracle": "reference"}.items():
        stored.submission(name, name, role=role)
    states = {
        ("low", 0.1, 0): "failed",
        ("low", 1.0, 0): "failed",
        ("low", 1.0, 1): "failed",
        ("high", 0.1, 0): "missing",
        ("high", 0.1, 1): "missing",
        ("medium", 1.0, 1): "missing",
    }
    for regularity, rate, seed in CELLS:
        cell = (regularity, rate, seed)
        healed = {"low": 0.3, "medium": 0.5, "high": 0.7}[regularity] + 0.2 * seed
        stored.trial("first", "good", cell, healed=healed, healed_test=healed**2, utility=0.8)
        stored.trial("first", "flaky", cell, state=states.get(cell, "finished"), healed=0.5, utility=0.6)
        misled = MISLED[regularity] * (rate == 0.1) if measured else None
        stored.trial("first", "retrain", cell, healed=0.2, utility=0.9, seconds=8.0, misled=misled)
        stored.trial("first", "oracle", cell, healed=1.0, utility=0.9, seconds=8.0)
    return stored
