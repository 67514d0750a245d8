"""REM with one part taken out or exchanged, as its released code does it. Each is one change of `method.REM`.

BatchNorm, the optimizer and the rate are REM's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearnbench import Batch, ImageSet, Problem, tied_gates

from .method import REM, State, cross_entropy


class FirstCounts(REM):
    """The first snapshot need not be better than the original."""

    def score_to_beat(self, problem: Problem, sample: ImageSet) -> float:
        return 0.0


class NoRemoval(REM):
    """NPOREMMOD: the flush stays; the pass over D_tr only redirects."""

    def loss(self, run: State, batch: Batch, before: Tensor, found: Tensor) -> Tensor:
        return super().loss(run, batch, before, torch.zeros_like(found))


class NoRedirection(FirstCounts):
    """REMGEN: nobody sees a new channel; D_f is removed but not redirected, the others are learnt by the old ones."""

    def gates(self, run: State, ids: Tensor) -> list[Tensor]:
        return tied_gates(run.owners[ids], run.dropped.narrow.groups, run.wide.groups, 0.0)

    def redirection(self, losses: Tensor, before: Tensor, found: Tensor) -> Tensor:
        return super().redirection(losses, before, found) * ~found


class CrossEntropy(FirstCounts):
    """NPORT: D_f is removed but not redirected; the others are learnt, through their masks, by plain cross-entropy.

    Its weight stays 1, where that of log sigmoid, 2 sigmoid(-beta (l - l_ref)), vanishes for a sample whose loss the
    flush has raised: such a sample is repaired, but an undiscovered corrupted one is also learnt again.
    """

    def redirection(self, losses: Tensor, before: Tensor, found: Tensor) -> Tensor:
        return losses * ~found


class Ascent(REM):
    """REMMOD: gradient ascent in the flush; the pass over D_tr is plain cross-entropy, through the masks."""

    def removal(self, losses: Tensor, before: Tensor) -> Tensor:
        return -losses

    def loss(self, run: State, batch: Batch, before: Tensor, found: Tensor) -> Tensor:
        return cross_entropy(run.wide(batch.images, self.gates(run, batch.ids)), batch.labels).mean()


class Ideal(FirstCounts):
    """REMIDEAL: all corrupted samples are redirected together, and removed in the pass over D_tr.

    The flush and the choice of a snapshot know D_f only, so it does vary with the discovery rate.
    """

    def known(self, problem: Problem) -> Tensor:
        assert problem.corrupted is not None, "submission.toml declares that the corrupted indices are needed"
        return problem.corrupted.ids


@dataclass(frozen=True)
class SharedMemory(REM):
    """Ours: some new channels are seen by every sample in the redirection, so a pattern can be learnt there at once.

    Args:
        shared: probability that a new channel is one of them.
    """

    shared: float = 0.5

    def gates(self, run: State, ids: Tensor) -> list[Tensor]:
        nobody = torch.full_like(ids[:1], len(run.problem.train) + 1)
        everyone = tied_gates(nobody, run.dropped.narrow.groups, run.wide.groups, self.shared)
        return [torch.maximum(mine, all_) for mine, all_ in zip(super().gates(run, ids), everyone, strict=True)]
