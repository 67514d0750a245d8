"""Confident learning: what models trained on the other folds count as another class is dropped, then retraining."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from tests.submissions.proof import Trace
from tests.submissions.references import retrain
from tests.submissions.references.detect_retrain import without
from tests.submissions.references.plain import everything, is_found
from unlearnbench import Problem


def errors(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> list[bool]:
    """Of each sample whether the confident joint has it off the diagonal."""
    classes = probabilities.shape[1]
    thresholds = {k: probabilities[labels == k, k].mean() for k in range(classes) if (labels == k).any()}
    result = []
    for p, label in zip(probabilities, labels, strict=True):
        confident = [k for k, threshold in thresholds.items() if p[k] >= threshold]
        result.append(bool(confident) and max(confident, key=lambda k: p[k]) != label)
    return result


def reference(problem: Problem, folds: int) -> Trace:
    """The steps of all trainings, one after the other."""
    retain = torch.arange(len(problem.train))[~is_found(problem)]
    x, y = everything(problem)
    fold = torch.randperm(len(retain), generator=problem.generator) % folds
    probabilities = np.zeros((len(retain), problem.classes))
    steps = []
    for number in range(folds):
        trace = retrain.reference(without(problem, retain[fold != number].tolist()))
        steps += trace.steps
        model = replace(problem, original_weights=trace.final).original().eval()
        with torch.no_grad():
            part = model(x[retain[fold == number]]).double().softmax(1)
        probabilities[fold.numpy() == number] = part.numpy()
    wrong = torch.tensor(errors(probabilities, y[retain].numpy()))
    trace = retrain.reference(without(problem, retain[~wrong].tolist()))
    return Trace(steps + trace.steps, trace.final)
