"""REM with one part taken out or exchanged. Each is one change of `method.REM`, under its own name.

REM without redirection is REM itself with `share = 0`: no sample sees a new channel, and for D_f the two terms of the
loss cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from method import REM, Expanded
from torch import Tensor

from unlearnbench.method import Batch, Classifier, ImageSet, Problem, tied_gates


class NoRemoval(REM):
    """The flush stays; the pass over D_tr only redirects (published: 71.4 instead of 73.4)."""

    def loss(self, model: Expanded, gates: list[Tensor], reference: Classifier, batch: Batch, found: Tensor) -> Tensor:
        return super().loss(model, gates, reference, batch, torch.zeros_like(found))


class Ascent(REM):
    """Gradient ascent in the place of NPO, in the flush and in the pass over D_tr: its push does not weaken."""

    def removal(self, losses: Tensor, before: Tensor) -> Tensor:
        return -losses


class CrossEntropy(REM):
    """Plain cross-entropy in the redirection: its weight stays 1 where log sigmoid's falls to 0.

    REM's weight, 2 sigmoid(-beta (l - l_ref)), vanishes for a sample whose loss the flush has raised, so such a
    sample is hardly repaired; but then an undiscovered corrupted sample is hardly learnt again either.
    """

    def redirection(self, losses: Tensor, before: Tensor) -> Tensor:
        return losses


class Ideal(REM):
    """All corrupted samples are known: the bound that redirection of undiscovered ones works towards."""

    def known(self, problem: Problem) -> ImageSet:
        assert problem.corrupted is not None, "submission.toml declares that the corrupted indices are needed"
        return problem.corrupted


@dataclass(frozen=True)
class SharedMemory(REM):
    """Some new channels are seen by every sample in the redirection, so a pattern can be learnt there once for all.

    Args:
        shared: probability that a new channel is one of them.
    """

    shared: float = 0.5

    def gates(self, problem: Problem, model: Expanded, owners: Tensor) -> list[Tensor]:
        own = super().gates(problem, model, owners)
        everyone = tied_gates(torch.full_like(owners[:1], len(problem.train) + 1), model.narrow.groups, self.shared)
        return [torch.maximum(mine, all_) for mine, all_ in zip(own, everyone, strict=True)]
