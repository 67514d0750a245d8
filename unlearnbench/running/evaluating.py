"""Evaluation of weights on a case, in the harness's own process."""

from __future__ import annotations

import torch

from unlearnbench.contract.classifier import Classifier, predict, tied_gates
from unlearnbench.evaluation.metrics import Metrics, metrics
from unlearnbench.evaluation.predictions import Predictions
from unlearnbench.models import ModelSpec, build
from unlearnbench.models.weights import Weights
from unlearnbench.problems.case import Case
from unlearnbench.problems.corruption import Images, Indices, Labels
from unlearnbench.problems.suite import OriginalSpec
from unlearnbench.running.setup import Setup


def predictions(weights: Weights, case: Case, original: OriginalSpec, setup: Setup) -> Predictions:
    """Predictions of a model with these weights on D_tr, the test set and the triggered test set."""
    model = _model(setup.model(case, original), setup)
    model.load_state_dict(weights)
    pipeline, triggered = case.pipeline(setup.suite.recipe), case.triggered_test()

    def classes(images: Images) -> Labels:
        with setup.autocast():
            found: Labels = predict(model, torch.from_numpy(images).to(setup.device), pipeline).cpu().numpy()
        return found

    return Predictions(
        train=classes(case.truth.images),
        test=classes(case.dataset.test_images.numpy()),
        triggered_test=None if triggered is None else classes(triggered),
    )


def evaluated(predicted: Predictions, case: Case, found: Indices, setup: Setup) -> Metrics:
    """Metrics of predictions, for a found set (positions in D_tr)."""
    gamma = setup.suite.budget.stop_accuracy
    return metrics(predicted, case.truth, found, case.test, gamma)


def tied_predictions(expanded: Weights, case: Case, original: OriginalSpec, setup: Setup) -> Labels:
    """Predictions of a model trained with tied dropout on the corrupted samples, each with its own gates.

    Args:
        expanded: weights before the memorisation channels were dropped.
    """
    recipe, truth = setup.suite.recipe_of(original), case.truth
    narrow = _model(setup.model(case, original), setup)
    wide = narrow.expanded(recipe.shared).eval()
    wide.load_state_dict(expanded)
    ids = torch.from_numpy(truth.corrupted).to(setup.device)
    images = torch.from_numpy(truth.images[truth.corrupted]).to(setup.device)
    assert recipe.tied_dropout is not None
    gates = tied_gates(ids, narrow.groups, wide.groups, recipe.tied_dropout)
    with setup.autocast(), torch.no_grad():
        found: Labels = wide(case.pipeline(recipe).normalised(images), gates).argmax(dim=1).cpu().numpy()
    return found


def _model(spec: ModelSpec, setup: Setup) -> Classifier:
    return build(spec).to(torch.device(setup.device))
