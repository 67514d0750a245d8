"""ETD: Maini et al., "Can Neural Network Memorization Be Localized?", ICML 2023, arXiv 2307.09542.

A method of training: beside the channels that all samples share, each sample sees its own few memorisation channels,
the same ones in every epoch. What is memorised goes there; the channels are dropped when training is over. It needs
neither D_f nor D_r.

The original that it stands on was trained so (submission.toml: `tied_dropout = true`), with as many memorisation
channels as shared ones (p_fix = 0.5), and dropped without rescaling, as the REM paper does. BatchNorm: the statistics
of the shared channels were collected anew after the drop. There is nothing left to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from unlearnbench.method import Problem, UnlearningMethod


@dataclass(frozen=True)
class ETD(UnlearningMethod):
    """Hand the dropped model back as it is."""

    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.original()
