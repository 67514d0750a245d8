"""Training an original: the one loop that every baseline, retraining and reference shares."""

from __future__ import annotations

from torch import nn
from torch.nn import functional
from torch.optim import SGD

from unlearnbench.method import Classifier, ImageSet, Problem, Recipe, UnlearningMethod


def learning_rate(step: int, recipe: Recipe) -> float:
    """The rate of step 0 .. steps - 1: up linearly over the warm-up, then down linearly to final x peak."""
    warmup = max(1, round(recipe.warmup * recipe.steps))
    if step < warmup:
        return recipe.peak_learning_rate * (step + 1) / warmup
    progress = (step - warmup + 1) / max(1, recipe.steps - warmup)
    return recipe.peak_learning_rate * (1 - progress * (1 - recipe.final))


def train(model: Classifier, images: ImageSet, recipe: Recipe) -> None:
    """Train the model in place for `recipe.steps` steps on augmented batches (protocol section 4)."""
    model.train()
    optimizer = SGD(
        model.parameters(), recipe.peak_learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    for step, batch in enumerate(images.batches(recipe.steps, recipe.batch_size)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        loss = functional.cross_entropy(model(batch.images), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class Original(UnlearningMethod):
    """Trains the model that everybody then repairs. It runs behind the same boundary as any submission."""

    def unlearn(self, problem: Problem) -> nn.Module:
        return problem.train_from_scratch(problem.train)
