"""Confident learning: Northcutt et al., "Confident Learning", JAIR 2021, arXiv 1911.00068, then retraining.

Each sample of D_r gets probabilities p from a model that was trained without it: D_r is split at random into `folds`
parts, and for each a model is trained from scratch on the others. The threshold of a class is the mean self-confidence
of the samples that carry its label,

    t_k = mean of p_k over the samples labelled k,

and a sample counts as class k where p_k >= t_k, as the likeliest of them if there are several (the confident joint).
Those that count as another class than their label, its off-diagonal, are label errors (the paper's second of five rules
to prune). They and D_f are dropped, and the model is trained anew on the rest.

BatchNorm: training mode in every training, evaluation mode for the probabilities. Each training has an optimizer and
the rate of the recipe.

Chosen here: trainings are outside the budget, as in `retrain`; there are `folds` + 1, each of all the recipe's steps.
D_f is used to be dropped only; no fold is trained on it. There is nothing to tune: the rule without clean data rewards
a model that learns the wrong labels of D_r.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearnbench import Problem, UnlearningMethod


def label_errors(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Which samples are off the diagonal of the confident joint: bool [N], of probabilities [N, C] and labels [N]."""
    own = probabilities.gather(1, labels[:, None])[:, 0]
    counts = labels.bincount(minlength=probabilities.shape[1])
    sums = torch.zeros_like(probabilities[0]).index_add(0, labels, own)
    thresholds = torch.where(counts > 0, sums / counts, torch.inf)  # [C]; a label that nobody carries is no class
    confident = torch.where(probabilities >= thresholds, probabilities, -torch.inf)
    highest, likeliest = confident.max(dim=1)
    return highest.isfinite() & (likeliest != labels)


@dataclass(frozen=True)
class ConfidentLearning(UnlearningMethod):
    """Train fresh weights on what other parts of D_r do not contradict.

    Args:
        folds: how many parts, at least two.
    """

    folds: int = 2

    def unlearn(self, problem: Problem) -> nn.Module:
        errors = label_errors(self.left_out_probabilities(problem), problem.retain.labels)
        return problem.train_from_scratch(problem.retain.take(~errors))

    def left_out_probabilities(self, problem: Problem) -> Tensor:
        """Of D_r, float64 [N, C]: each sample's by a model that was trained without it."""
        retain = problem.retain
        order = torch.randperm(len(retain), generator=problem.generator)
        fold = (order % self.folds).to(problem.device)
        result = torch.zeros(len(retain), problem.classes, dtype=torch.float64, device=problem.device)
        for number in range(self.folds):
            model = problem.train_from_scratch(retain.take(fold != number))
            _, logits = problem.outputs(model, retain.take(fold == number))
            result[fold == number] = logits.double().softmax(dim=1)
        return result
