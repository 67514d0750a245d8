"""The training loop of originals, also used by methods that train from scratch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn import functional

from unlearnbench.contract.classifier import Classifier, tied_gates
from unlearnbench.contract.images import Batch, ImageSet
from unlearnbench.contract.method import Problem, UnlearningMethod, optimizer, set_rate
from unlearnbench.contract.recipe import Recipe, warmup_then_decay


def train(model: Classifier, images: ImageSet, recipe: Recipe) -> Classifier | None:
    """Train the model in place for `recipe.steps` steps (docs/protocol.md, section 4).

    With tied dropout (Maini et al., ICML 2023), the expanded model is trained, and each sample uses its own subset of
    the new channels. The new channels are then dropped without rescaling, and the BatchNorm statistics of the training
    are kept, as in the code of the REM paper.

    Returns:
        The expanded model with tied dropout, else None.
    """
    tied = recipe.tied_dropout
    trained = model if tied is None else model.expanded(recipe.shared)
    trained.train()
    update = optimizer(trained, recipe, recipe.peak_learning_rate)
    for step, batch in enumerate(_batches(images, recipe)):
        set_rate(update, recipe.peak_learning_rate * warmup_then_decay(step, recipe.steps, recipe.warmup, recipe.final))
        gates = None if tied is None else tied_gates(batch.ids, model.groups, trained.groups, tied)
        loss = functional.cross_entropy(trained(batch.images, gates), batch.labels)
        update.zero_grad()
        loss.backward()
        update.step()
    if tied is None:
        return None
    model.load_state_dict(model.corner_of(trained))
    return trained


def _batches(images: ImageSet, recipe: Recipe) -> Iterator[Batch]:
    """Augmented batches for the first share `augment_until` of the steps, then, from a new pass on, plain ones."""
    augmented = round(recipe.augment_until * recipe.steps)
    yield from images.batches(augmented, recipe.batch_size, augment=True)
    if augmented < recipe.steps:
        yield from images.batches(recipe.steps - augmented, recipe.batch_size, augment=False)


class TrainOriginal(UnlearningMethod):
    """Trains an original. Runs behind the same boundary as submissions."""

    def unlearn(self, problem: Problem) -> nn.Module:
        """The original. With tied dropout, a ModuleDict of the original (`dropped`) and the model it was cut from
        (`expanded`).
        """
        model = problem.untrained()
        expanded = train(model, problem.train, problem.recipe)
        return model if expanded is None else nn.ModuleDict({"dropped": model, "expanded": expanded})
