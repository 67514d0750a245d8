"""What proves a method: it runs beside a reference, loop by loop, and all weights agree after every optimizer step.

Both see the same batches: `fixed_batches` makes every pass go through its set in order, and a random subset be the
first samples. Both compute in float64, so rounding decides nothing: neither which of two places of a max pool is the
larger, nor which of two snapshots is the better. A reference is written in bare torch from the method's formulas. It
knows a `Problem`'s data and its models' `forward`, and nothing else of the harness: no `accuracy`, no `optimizer`, no
`batches`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from unlearnbench import Batch, ImageSet, Problem, UnlearningMethod
from unlearnbench.contract import method as contract
from unlearnbench.models import training

State = dict[str, Tensor]


def state(model: nn.Module) -> State:
    """All weights and running statistics of this moment."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@dataclass
class Trace:
    """The trained model after every optimizer step, and what was returned."""

    steps: list[State] = field(default_factory=list)
    final: State = field(default_factory=dict)


@contextmanager
def float64() -> Iterator[None]:
    """What is made in float32 is made in float64."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", Tensor.double)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def doubled(problem: Problem) -> Problem:
    """The problem with models in float64."""
    new_model, wide = problem.new_model, problem.expanded_weights
    return replace(
        problem,
        new_model=lambda: new_model().double(),
        original_weights=_doubled(problem.original_weights),
        expanded_weights=None if wide is None else _doubled(wide),
    )


def _doubled(weights: Mapping[str, Tensor]) -> State:
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


def fixed_batches(patch: pytest.MonkeyPatch) -> None:
    """Every pass in order, nothing augmented; of a random subset the first samples."""

    def batches(self: ImageSet, steps: int | None = None, batch_size: int | None = None, **_: bool) -> Iterator[Batch]:
        size = self.batch_size if batch_size is None else batch_size
        drawn = 0
        while len(self):
            for first in range(0, len(self), size):
                if drawn == steps:
                    return
                part = slice(first, first + size)
                yield Batch(self.pipeline.normalised(self.images[part]), self.labels[part], self.ids[part])
                drawn += 1
            if steps is None:
                return

    patch.setattr(ImageSet, "batches", batches)
    patch.setattr(ImageSet, "sample", lambda self, count: self.take(torch.arange(min(count, len(self)))))


def tell_of_optimizers(patch: pytest.MonkeyPatch, told: Callable[[Optimizer, nn.Module], None]) -> None:
    """Tell of every optimizer that a method or training from scratch makes, and of its model."""

    def watched(made: Callable[..., Optimizer]) -> Callable[..., Optimizer]:
        def optimizer(model: nn.Module, *rest: Any) -> Optimizer:
            result = made(model, *rest)
            told(result, model)
            return result

        return optimizer

    for module in (contract, training):
        patch.setattr(module, "optimizer", watched(module.optimizer))


def traced(method: UnlearningMethod, problem: Problem) -> Trace:
    """Run the method; the model of every optimizer is looked at after each of its steps."""
    trace = Trace()
    models: dict[Optimizer, nn.Module] = {}

    def look(optimizer: Optimizer, *_: Any) -> None:
        trace.steps.append(state(models[optimizer]))

    handle = register_optimizer_step_post_hook(look)
    try:
        with pytest.MonkeyPatch.context() as patch:
            tell_of_optimizers(patch, models.__setitem__)
            model = method.unlearn(problem)
            assert isinstance(model, nn.Module)
            trace.final = state(model)
    finally:
        handle.remove()
    return trace


def assert_agree(one: Trace, two: Trace, tolerance: float = 1e-8) -> None:
    """All weights and running statistics, after every step and at the end."""
    assert len(one.steps) == len(two.steps), "not the same number of optimizer steps"
    for number, (mine, yours) in enumerate(zip([*one.steps, one.final], [*two.steps, two.final], strict=True)):
        assert mine.keys() == yours.keys()
        for name, tensor in mine.items():
            message = f"{name} after step {number + 1} of {len(one.steps)}"
            torch.testing.assert_close(tensor, yours[name], atol=tolerance, rtol=tolerance, msg=message)


@contextmanager
def frozen_batchnorm() -> Iterator[None]:
    forward = nn.BatchNorm2d.forward

    def frozen(self: nn.BatchNorm2d, images: Tensor) -> Tensor:
        mode, self.training = self.training, False
        try:
            return forward(self, images)
        finally:
            self.training = mode

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.BatchNorm2d, "forward", frozen)
        yield


@contextmanager
def new_optimizer_each_pass() -> Iterator[None]:
    """Momentum is lost whenever a pass begins."""
    batches = ImageSet.batches
    optimizers: list[Optimizer] = []

    def forgetful(self: ImageSet, *args: Any, **kwargs: Any) -> Iterator[Batch]:
        for drawn, batch in enumerate(batches(self, *args, **kwargs)):
            if drawn % self.steps_per_pass == 0:
                for optimizer in optimizers:
                    optimizer.state.clear()
            yield batch

    with pytest.MonkeyPatch.context() as patch:
        tell_of_optimizers(patch, lambda optimizer, _: optimizers.append(optimizer))
        patch.setattr(ImageSet, "batches", forgetful)
        yield


@contextmanager
def constant_schedule() -> Iterator[None]:
    """Every step is made at the rate that its optimizer was made with."""

    def reset(optimizer: Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = optimizer.defaults["lr"]

    handle = register_optimizer_step_pre_hook(reset)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def loss_times_classes() -> Iterator[None]:
    backward: Callable[..., None] = Tensor.backward

    def larger(self: Tensor, *args: Any, **kwargs: Any) -> None:
        backward(self * 3, *args, **kwargs)  # the tiny problems have three classes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "backward", larger)
        yield


FAULTS = {
    "frozen BatchNorm": frozen_batchnorm,
    "a new optimizer for each pass": new_optimizer_each_pass,
    "a constant schedule": constant_schedule,
    "a loss C times too large": loss_times_classes,
}
"""What every proof of a method that has the place must notice."""


@dataclass(frozen=True)
class Proof:
    """A row of a table of proofs.

    Attributes:
        method: the submission with its hyperparameters, from the fixture `module`.
        reference: what it is held against.
        make: makes the problem from the fixture `residual`; it is called anew for each run, so both begin at the
            same state of all random generators.
        no_place: the faults of `FAULTS` that cannot be planted in this method, each with the reason.
    """

    method: Callable[[Callable[..., ModuleType]], UnlearningMethod]
    reference: Callable[[Problem], Trace]
    make: Callable[[Callable[..., Problem]], Problem]
    no_place: Mapping[str, str]

    def submitted(
        self,
        problems: Callable[..., Problem],
        modules: Callable[..., ModuleType],
        fault: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Trace:
        """What the submission does, on fixed batches; the original is trained before, on its own."""
        problem, method = doubled(self.make(problems)), self.method(modules)
        with float64(), pytest.MonkeyPatch.context() as patch:
            fixed_batches(patch)
            with fault():
                return traced(method, problem)

    def expected(self, problems: Callable[..., Problem]) -> Trace:
        """What the reference does."""
        problem = doubled(self.make(problems))
        with float64():
            return self.reference(problem)


def places(proofs: Mapping[str, Proof]) -> list[tuple[str, str]]:
    """All pairs of a label and a fault that can be planted there: what a test of the faults is parametrised by."""
    return [(label, fault) for label, proof in proofs.items() for fault in FAULTS if fault not in proof.no_place]
