"""Ablations of REM as in its released code, and one of ours. Each changes one thing in `method.REM`.

BatchNorm, the optimizer and the rate are REM's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearnbench import Batch, ImageSet, Problem, tied_gates

from .method import REM, State, cross_entropy


class FirstCounts(REM):
    """The first snapshot need not beat the original."""

    def score_to_beat(self, problem: Problem, sample: ImageSet) -> float:
        return 0.0


class NoRemoval(REM):
    """NPOREMMOD: the flush stays, but the pass over D_tr only redirects."""

    def loss(self, run: State, batch: Batch, before: Tensor, found: Tensor) -> Tensor:
        return super().loss(run, batch, before, torch.zeros_like(found))


class NoRedirection(FirstCounts):
    """REMGEN: no sample sees a new channel. D_f is removed but not redirected; the old channels learn the rest."""

    def gates(self, run: State, ids: Tensor) -> list[Tensor]:
        return tied_gates(run.owners[ids], run.dropped.narrow.groups, run.wide.groups, 0.0)

    def redirection(self, losses: Tensor, before: Tensor, found: Tensor) -> Tensor:
        return super().redirection(losses, before, found) * ~found


class CrossEntropy(FirstCounts):
    """NPORT: D_f is removed but not redirected; the rest is learnt through its masks with plain cross-entropy.

    Cross-entropy gives every sample the weight 1. The weight of the log-sigmoid loss, 2 sigmoid(-beta (l - l_ref)),
    vanishes for samples whose loss the flush has raised. Cross-entropy therefore repairs clean samples that the flush
    damaged, but also learns undiscovered corrupted samples again.
    """

    def redirection(self, losses: Tensor, before: Tensor, found: Tensor) -> Tensor:
        return losses * ~found


class Ascent(REM):
    """REMMOD: gradient ascent in the flush, and plain cross-entropy through the masks in the pass over D_tr."""

    def removal(self, losses: Tensor, before: Tensor) -> Tensor:
        return -losses

    def loss(self, run: State, batch: Batch, before: Tensor, found: Tensor) -> Tensor:
        return cross_entropy(run.wide(batch.images, self.gates(run, batch.ids)), batch.labels).mean()


class Ideal(FirstCounts):
    """REMIDEAL: the pass over D_tr redirects all of D_m with one shared mask, and removes it.

    The flush and the snapshot selection use D_f only, so the result still depends on the discovery rate.
    """

    def known(self, problem: Problem) -> Tensor:
        assert problem.corrupted is not None, "submission.toml declares that the corrupted indices are needed"
        return problem.corrupted.ids


@dataclass(frozen=True)
class SharedMemory(REM):
    """Ours: every sample sees some of the new channels during redirection, so they can learn a shared pattern.

    Args:
        shared: probability that all samples see a given new channel.
    """

    shared: float = 0.5

    def gates(self, run: State, ids: Tensor) -> list[Tensor]:
        nobody = torch.full_like(ids[:1], len(run.problem.train) + 1)
        everyone = tied_gates(nobody, run.dropped.narrow.groups, run.wide.groups, self.shared)
        return [torch.maximum(mine, all_) for mine, all_ in zip(super().gates(run, ids), everyone, strict=True)]
