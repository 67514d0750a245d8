"""Confident learning: Northcutt et al., "Confident Learning", JAIR 2021, arXiv 1911.00068, followed by retraining.

Cross-validation gives each sample of D_r out-of-sample probabilities p: D_r is split at random into `folds` parts, and
for each part a model is trained from scratch on the others. The threshold of class k is the mean self-confidence of the
samples labelled k,

    t_k = mean of p_k over the samples labelled k.

A sample is counted as class k if p_k >= t_k. If several classes qualify, the most probable one counts. These counts
form the confident joint. Samples off its diagonal, counted as another class than their label, are label errors (the
second of the paper's five pruning rules). They are dropped together with D_f, and a model is trained from scratch on
the rest.

BatchNorm: training mode in every training run, evaluation mode when predicting probabilities. Each training run has its
own optimizer, at the rate of the recipe.

Chosen here: the `folds` + 1 training runs each take all steps of the recipe and do not count towards the budget, as in
`retrain`. D_f is only excluded; no fold is trained on it. Nothing is tuned: selection without clean data would reward a
model that fits the wrong labels of D_r.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearnbench import Problem, UnlearningMethod


def label_errors(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Mask bool [N] of the samples off the diagonal of the confident joint, from probabilities [N, C], labels [N]."""
    own = probabilities.gather(1, labels[:, None])[:, 0]
    counts = labels.bincount(minlength=probabilities.shape[1])
    sums = torch.zeros_like(probabilities[0]).index_add(0, labels, own)
    thresholds = torch.where(counts > 0, sums / counts, torch.inf)  # [C]; a class without samples never counts
    confident = torch.where(probabilities >= thresholds, probabilities, -torch.inf)
    highest, likeliest = confident.max(dim=1)
    return highest.isfinite() & (likeliest != labels)


@dataclass(frozen=True)
class ConfidentLearning(UnlearningMethod):
    """Retrain on D_r without the label errors that cross-validation finds.

    Args:
        folds: number of cross-validation folds, at least two.
    """

    folds: int = 2

    def unlearn(self, problem: Problem) -> nn.Module:
        errors = label_errors(self.left_out_probabilities(problem), problem.retain.labels)
        return problem.train_from_scratch(problem.retain.take(~errors))

    def left_out_probabilities(self, problem: Problem) -> Tensor:
        """Class probabilities of D_r, float64 [N, C]; each sample's come from a model that was trained without it."""
        retain = problem.retain
        order = torch.randperm(len(retain), generator=problem.generator)
        fold = (order % self.folds).to(problem.device)
        result = torch.zeros(len(retain), problem.classes, dtype=torch.float64, device=problem.device)
        for number in range(self.folds):
            model = problem.train_from_scratch(retain.take(fold != number))
            _, logits = problem.outputs(model, retain.take(fold == number))
            result[fold == number] = logits.double().softmax(dim=1)
        return result
