"""Training an original: the one loop that every baseline, retraining and reference shares."""

from __future__ import annotations

from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from unlearnbench.method import Classifier, ImageSet, Problem, Recipe, UnlearningMethod, optimizer, tied_gates


def learning_rate(step: int, recipe: Recipe) -> float:
    """The rate of step 0 .. steps - 1: up linearly over the warm-up, then down linearly to final x peak."""
    warmup = max(1, round(recipe.warmup * recipe.steps))
    if step < warmup:
        return recipe.peak_learning_rate * (step + 1) / warmup
    progress = (step - warmup + 1) / max(1, recipe.steps - warmup)
    return recipe.peak_learning_rate * (1 - progress * (1 - recipe.final))


def train(model: Classifier, images: ImageSet, recipe: Recipe) -> Classifier | None:
    """Train the model in place for `recipe.steps` steps on augmented batches (protocol section 4).

    With tied dropout (Maini et al., ICML 2023; here p_fix = 0.5) it is the model's expansion that is trained, each
    sample through its own share of the new channels. The model is then that expansion with the new channels dropped,
    without rescaling, its BatchNorm statistics collected anew, because those of the training are of masked
    activations. Returns the expansion, or None after standard training.
    """
    tied = recipe.tied_dropout
    trained = model if tied is None else model.expanded()
    trained.train()
    update = optimizer(trained, recipe, recipe.peak_learning_rate)
    for step, batch in enumerate(images.batches(recipe.steps, recipe.batch_size)):
        for group in update.param_groups:
            group["lr"] = learning_rate(step, recipe)
        gates = None if tied is None else tied_gates(batch.ids, model.groups, tied)
        loss = functional.cross_entropy(trained(batch.images, gates), batch.labels)
        update.zero_grad()
        loss.backward()
        update.step()
    if tied is None:
        return None
    model.load_state_dict(model.corner_of(trained))
    update_bn((batch.images for batch in images.batches()), model)
    return trained


class Original(UnlearningMethod):
    """Trains the model that everybody then repairs. It runs behind the same boundary as any submission."""

    def unlearn(self, problem: Problem) -> nn.Module:
        """The original; after tied dropout a ModuleDict of it (`dropped`) and of what it was cut from (`expanded`)."""
        model = problem.untrained()
        expanded = train(model, problem.train, problem.recipe)
        return model if expanded is None else nn.ModuleDict({"dropped": model, "expanded": expanded})
