"""ETD: Maini et al., "Can Neural Network Memorization Be Localized?", ICML 2023, arXiv 2307.09542.

A method of training: beside the channels that all samples share, each sample sees its own few memorisation channels,
the same ones in every epoch. What is memorised goes there; the channels are dropped when training is over. It needs
neither D_f nor D_r.

The original that it stands on was trained so (submission.toml: `tied_dropout = true`), and dropped without rescaling,
as Schoepf et al. (REM, arXiv 2505.17730) do. There is nothing left to do.

BatchNorm: its statistics are those of the training, of masked activations; no code collects them anew. No optimizer, no
rate.

The variant `recalibrated` is ours, not published: the statistics are averages over D_tr with the channels dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.optim.swa_utils import update_bn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class ETD(UnlearningMethod):
    """Hand the dropped model back as it is.

    Args:
        recalibrate: collect BatchNorm's statistics anew.
    """

    recalibrate: bool = False

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        if self.recalibrate:
            update_bn((batch.images for batch in problem.train.batches()), model)
        return model
