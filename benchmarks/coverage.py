"""How often the intervals of `evaluation.statistics` hold the truth: python benchmarks/coverage.py [--repetitions N]

Simulated boards of three corruptions and known means. A seed moves every corruption, partly in the same way for all
methods. The figures are the mean over the corruptions, and the difference of two such methods within the seeds. Prints
the table of docs/protocol.md, section 3.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from unlearnbench.evaluation.statistics import difference, estimate

Boards = NDArray[np.float64]
"""float64 [methods, repetitions, seeds, corruptions]."""

SEEDS = (3, 5, 8, 10)
MEANS = (30.0, 50.0, 70.0)
SPREAD = 5.0
LOW, HIGH = 5.0, 90.0


def normal(random: Generator, shape: tuple[int, ...], factors: tuple[float, ...] = (1, 1, 1)) -> Boards:
    """Half of the variance is the seed's, the same for both methods."""
    shared, own = random.normal(size=(1, *shape[1:])), random.normal(size=shape)
    return np.asarray(np.array(MEANS) + SPREAD * np.array(factors) * (shared + own) / np.sqrt(2))


def unequal(random: Generator, shape: tuple[int, ...]) -> Boards:
    return normal(random, shape, (1, 1, 6))


def jumping(share: float) -> Callable[[Generator, tuple[int, ...]], Boards]:
    """The last corruption of each method is high in this share of the seeds, and low in the others."""

    def draw(random: Generator, shape: tuple[int, ...]) -> Boards:
        boards = normal(random, shape)
        boards[..., 2] = np.where(random.uniform(size=shape[:-1]) < share, HIGH, LOW)
        return boards

    return draw


SCENARIOS: dict[str, tuple[Callable[[Generator, tuple[int, ...]], Boards], float]] = {
    "equal spreads": (normal, MEANS[2]),
    "one corruption varies six times as much": (unequal, MEANS[2]),
    "a coin: one corruption is at 5 or at 90": (jumping(0.5), (LOW + HIGH) / 2),
    "a rare jump: at 90 in one seed of five": (jumping(0.2), LOW + 0.2 * (HIGH - LOW)),
}
"""How a board is drawn, and the true mean of its last corruption."""


def coverage(name: str, seeds: int, repetitions: int) -> tuple[float, float]:
    """Share of repetitions whose interval holds the true mean, and the true difference of two methods, 0."""
    draw, last = SCENARIOS[name]
    random = np.random.default_rng([seeds, list(SCENARIOS).index(name)])
    first, second = draw(random, (2, repetitions, seeds, 3)).mean(axis=-1)
    truth = (MEANS[0] + MEANS[1] + last) / 3
    paired = np.ones(seeds, dtype=np.bool_)
    means: list[Any] = [estimate(values) for values in first]
    differences: list[Any] = [difference(*pair, paired) for pair in zip(first, second, strict=True)]
    # Without an interval, for all seeds gave the same, nothing is covered.
    held = [
        float(np.mean([item.low <= true <= item.high for item in items]))
        for items, true in ((means, truth), (differences, 0.0))
    ]
    return held[0], held[1]


def table(repetitions: int) -> str:
    header = ["95% intervals of the mean / of a difference hold the truth", *(f"{seeds} seeds" for seeds in SEEDS)]
    rows = [header, [":--", *("--:" for _ in SEEDS)]]
    for name in SCENARIOS:
        cells = (coverage(name, seeds, repetitions) for seeds in SEEDS)
        rows.append([name, *(f"{mean:.1%} / {other:.1%}" for mean, other in cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=4000)
    print(table(parser.parse_args().repetitions))


if __name__ == "__main__":
    main()
