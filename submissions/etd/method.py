"""ETD: Maini et al., "Can Neural Network Memorization Be Localized?", ICML 2023, arXiv 2307.09542.

Example-tied dropout changes training: besides the channels that all samples share, each sample sees a few memorisation
channels of its own, the same ones in every epoch. Memorisation concentrates in those channels, and dropping them after
training removes it. The method needs neither D_f nor D_r.

The suite trains this original with tied dropout (submission.toml: `tied_dropout = true`) and drops the memorisation
channels without rescaling, as Schoepf et al. (REM, arXiv 2505.17730) do. Nothing is left to do here.

BatchNorm: the running statistics are those of training, collected under the masks; the released code does not
recalibrate them. No optimizer, no rate.

The variant `recalibrated` is ours, not published: it averages the statistics over D_tr with the channels dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.optim.swa_utils import update_bn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class ETD(UnlearningMethod):
    """Return the original with its memorisation channels dropped.

    Args:
        recalibrate: recompute BatchNorm's running statistics in one pass over D_tr.
    """

    recalibrate: bool = False

    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        if self.recalibrate:
            update_bn((batch.images for batch in problem.train.batches()), model)
        return model
