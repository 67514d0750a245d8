"""REM: masks, losses, flush, and that what is returned is the dropped model."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from unlearnbench.method import Classifier, ImageSet, Problem, frozen_batchnorm, tied_gates

Problems = Callable[..., Problem]


@pytest.fixture
def rem(module: Callable[[str], ModuleType]) -> Any:
    return module("rem")


def test_masks_are_shared_by_the_forget_set_and_independent_otherwise(rem: Any, residual: Problems) -> None:
    problem = residual(samples=400, forget=10, pretrain=1)
    groups = (50, 70)
    method, model = rem.REM(), SimpleNamespace(narrow=SimpleNamespace(groups=groups))
    owners = method.owners(problem, problem.forget)

    def gates(ids: Tensor) -> Any:
        return method.gates(problem, model, owners[ids])

    first, second = gates(torch.arange(400))
    assert [part.shape for part in (first, second)] == [(400, 100), (400, 140)]
    assert (first[:, :50] == 1).all()
    assert (second[:, :70] == 1).all()
    new = torch.cat([first[:, 50:], second[:, 70:]], dim=1).numpy()  # [400, 120]
    assert set(np.unique(new)) == {0, 1}
    assert (new[:10] == new[0]).all()
    others = new[9:]  # one of the forget set, all the others
    assert abs(others.mean() - 0.2) < 0.01  # 46,920 draws: 5 standard deviations
    correlation = np.corrcoef(others)
    assert abs(correlation[np.triu_indices(len(others), 1)]).max() < 0.55  # 120 channels: 6 standard deviations
    assert abs(np.corrcoef(others.T)[np.triu_indices(120, 1)]).max() < 0.3
    again = gates(torch.tensor([3, 200, 17]))[1]  # whatever else is in the batch
    assert torch.equal(again, second[[3, 200, 17]])


def without_new_channels(model: Any, images: Tensor) -> Tensor:
    """Logits of the wide model with every weight to or from a new channel at 0; gradients reach its parameters."""
    masks = {name: torch.zeros_like(value) for name, value in model.wide.named_parameters()}
    for name, value in model.narrow.named_parameters():
        masks[name][tuple(slice(size) for size in value.shape)] = 1
    kept = {name: value * masks[name] for name, value in model.wide.named_parameters()}
    logits: Tensor = functional_call(model.wide, kept, (images,))
    return logits


def expanded(rem: Any, problem: Problem) -> tuple[Any, Classifier, Any]:
    model = rem.Expanded(problem.expanded_original(), problem.original())
    reference = deepcopy(model.wide).eval()
    with torch.no_grad():  # somewhere else than at the reference, where all weights would be 1
        for parameter in model.wide.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    method = rem.REM()
    owners = method.owners(problem, problem.forget)
    return model, reference, lambda ids: method.gates(problem, model, owners[ids])


def test_drop_is_the_wide_model_without_its_new_channels(rem: Any, residual: Problems) -> None:
    problem = residual()
    model, *_ = expanded(rem, problem)
    batch = next(problem.train.batches())
    with torch.no_grad(), frozen_batchnorm(model.wide):
        wanted = without_new_channels(model, batch.images)
        torch.testing.assert_close(model.drop(batch.images), wanted)
        torch.testing.assert_close(model.dropped_copy().eval()(batch.images), wanted)


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_the_loss_of_a_batch_is_redirection_plus_removal(beta: float, rem: Any, residual: Problems) -> None:
    problem = residual(samples=24, forget=6, batch_size=24)
    model, reference, gates = expanded(rem, problem)
    batch = next(problem.train.batches())
    found = batch.ids < 6
    with frozen_batchnorm(model.wide):
        loss = rem.REM(beta=beta).loss(model, gates(batch.ids), reference, batch, found)
        loss.backward()
    mine = {name: value.grad.double().clone() for name, value in model.wide.named_parameters()}
    model.wide.zero_grad()

    def losses(logits: Tensor) -> Tensor:
        logits = logits.double()
        return logits.logsumexp(dim=1) - logits[torch.arange(len(batch)), batch.labels]

    with frozen_batchnorm(model.wide):
        masked = losses(model.wide(batch.images, gates(batch.ids)))
        dropped = losses(without_new_channels(model, batch.images))
    before = losses(reference(batch.images, gates(batch.ids))).detach()
    wanted = torch.zeros((), dtype=torch.float64)
    surrogate = torch.zeros((), dtype=torch.float64)  # its gradient is written with the closed-form weights
    for i in range(24):
        wanted = wanted + 2 / beta * (1 / (1 + torch.exp(-beta * (masked[i] - before[i])))).log()
        surrogate = surrogate + 2 / (1 + torch.exp(beta * (masked[i] - before[i]))).detach() * masked[i]
        if found[i]:
            wanted = wanted - 2 / beta * (1 / (1 + torch.exp(-beta * (dropped[i] - before[i])))).log()
            surrogate = surrogate - 2 / (1 + torch.exp(beta * (dropped[i] - before[i]))).detach() * dropped[i]
    assert abs(loss.item() - wanted.item() / 24) < 1e-5
    (surrogate / 24).backward()
    for name, value in model.wide.named_parameters():
        torch.testing.assert_close(mine[name], value.grad.double(), atol=2e-5, rtol=1e-3, msg=name)


def test_a_flush_forgets_by_old_channels_only(rem: Any, residual: Problems) -> None:
    problem = residual(pretrain=120, weight_decay=0.0, stop_accuracy=0.4)
    narrow = problem.original()
    assert problem.accuracy(narrow, problem.forget) > 0.5
    model = rem.Expanded(narrow.expanded(), narrow)
    before = deepcopy(model.wide)
    method = rem.REM()
    owners = method.owners(problem, problem.forget)
    method.flush(problem, model, problem.forget, owners, deepcopy(model.wide).eval())
    assert problem.accuracy(model.dropped_copy(), problem.forget) <= problem.budget.stop_accuracy
    for name, value in before.named_buffers():
        assert torch.equal(value, model.wide.get_buffer(name)), name
    corner = narrow.corner_of(before)
    assert not torch.equal(corner["conv2.conv.weight"], narrow.corner_of(model.wide)["conv2.conv.weight"])
    with torch.no_grad():
        for network in (before, model.wide):
            for tensor in narrow.corner_of(network).values():
                tensor.zero_()
    for name, value in before.named_parameters():
        assert torch.equal(value, model.wide.get_parameter(name)), name


def test_the_budget_counts_batches_of_the_training_set_and_the_best_dropped_model_is_returned(
    rem: Any, residual: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = residual(samples=40, batch_size=16, steps=8, pretrain=120, learning_rate=0.02)
    steps: list[int] = []
    snapshots: list[dict[str, Tensor]] = []
    scores = iter([0.3, 0.9, 0.5])

    def flush(self: Any, *rest: Any) -> None:
        steps.append(0)

    def redirect(self: Any, problem: Problem, model: Any, owners: Any, reference: Classifier, count: int) -> None:
        steps[-1] = count
        original_redirect(self, problem, model, owners, reference, count)

    def recalibrate(self: Any, images: ImageSet) -> None:
        original_recalibrate(self, images)
        dropped = problem.original()
        dropped.load_state_dict(dropped.corner_of(self.wide))
        snapshots.append({name: value.clone() for name, value in dropped.state_dict().items()})

    def accuracy(self: Problem, model: nn.Module, images: ImageSet) -> float:
        return 0.0 if len(images) == 8 else next(scores)  # of D_f, of D_r

    original_redirect, original_recalibrate = rem.REM.redirect, rem.Expanded.recalibrate
    monkeypatch.setattr(rem.Expanded, "recalibrate", recalibrate)
    monkeypatch.setattr(Problem, "accuracy", accuracy)
    monkeypatch.setattr(rem.REM, "flush", flush)
    monkeypatch.setattr(rem.REM, "redirect", redirect)
    result = rem.REM().unlearn(problem).state_dict()
    assert steps == [3, 3, 2]  # 40 samples in batches of 16 make 3 a pass
    assert all(torch.equal(result[name], value) for name, value in snapshots[1].items())


def test_batchnorm_statistics_are_those_of_the_dropped_model(rem: Any, residual: Problems) -> None:
    problem = residual()
    model, *_ = expanded(rem, problem)
    with torch.no_grad():
        for name, buffer in model.wide.named_buffers():
            if "running" in name:
                buffer.fill_(7.0)
    model.recalibrate(problem.retain)
    assert (model.wide.get_buffer("conv1.norm.running_mean")[2:] == 7).all()  # new channels keep theirs
    images = torch.cat([batch.images for batch in problem.retain.batches()])
    dropped = model.dropped_copy()
    with torch.no_grad():
        activations = dropped.get_submodule("conv1.conv")(images).double()
    mean = model.wide.get_buffer("conv1.norm.running_mean")[:2]
    torch.testing.assert_close(mean.double(), activations.mean(dim=(0, 2, 3)), atol=1e-4, rtol=1e-4)
    assert all(norm.momentum == 0.1 for norm in dropped.modules() if isinstance(norm, nn.BatchNorm2d))


LOSSES, BEFORE = torch.tensor([0.1, 2.0, 9.0]), torch.tensor([0.1, 0.5, 0.2])


def test_the_weight_of_redirection_is_one_at_the_reference_and_vanishes_above_it(rem: Any) -> None:
    losses = LOSSES.clone().requires_grad_()
    rem.REM().redirection(losses, BEFORE).sum().backward()
    wanted = 2 / (1 + np.exp(LOSSES.double().numpy() - BEFORE.double().numpy()))
    np.testing.assert_allclose(losses.grad.numpy(), wanted, rtol=1e-4)
    assert losses.grad[0] == 1
    assert losses.grad[2] < 1e-3


def test_each_ablation_changes_one_term(rem: Any, module: Callable[..., ModuleType], residual: Problems) -> None:
    ablations = module("rem", "ablations")
    whole = rem.REM()
    assert torch.equal(ablations.CrossEntropy().redirection(LOSSES, BEFORE), LOSSES)
    assert torch.equal(ablations.CrossEntropy().removal(LOSSES, BEFORE), whole.removal(LOSSES, BEFORE))
    assert torch.equal(ablations.Ascent().removal(LOSSES, BEFORE), -LOSSES)
    assert torch.equal(ablations.Ascent().redirection(LOSSES, BEFORE), whole.redirection(LOSSES, BEFORE))
    problem = residual(samples=24, forget=6, batch_size=24)
    model, reference, gates = expanded(rem, problem)
    batch = next(problem.train.batches())
    found = batch.ids < 6
    with frozen_batchnorm(model.wide), torch.no_grad():
        both = whole.loss(model, gates(batch.ids), reference, batch, found)
        without = whole.loss(model, gates(batch.ids), reference, batch, torch.zeros_like(found))
        removed = ablations.NoRemoval().loss(model, gates(batch.ids), reference, batch, found)
    assert removed == without != both


def test_the_ideal_knows_all_corrupted_samples(module: Callable[..., ModuleType], residual: Problems) -> None:
    problem = replace(residual(), corrupted_positions=torch.arange(12))
    method = module("rem", "ablations").Ideal()
    assert method.known(problem).ids.tolist() == list(range(12))
    assert (method.owners(problem, method.known(problem)) == 40).tolist() == [True] * 12 + [False] * 28


def test_shared_memory_opens_the_same_channels_to_everybody(
    rem: Any, module: Callable[..., ModuleType], residual: Problems
) -> None:
    problem = residual(pretrain=1)
    model = SimpleNamespace(narrow=SimpleNamespace(groups=(4000,)))
    owners = torch.arange(40)
    own = rem.REM().gates(problem, model, owners)[0]
    more = module("rem", "ablations").SharedMemory(shared=0.5).gates(problem, model, owners)[0]
    assert (more >= own).all()
    opened = (more[:, 4000:] - own[:, 4000:]).sum(dim=0) > 0
    assert (more[:, 4000:][:, opened] == 1).all()
    assert abs(opened.double().mean() - 0.5) < 0.04
    assert module("rem", "ablations").SharedMemory(shared=1.0).gates(problem, model, owners)[0].all()


def test_on_tied_dropout_it_goes_on_with_the_channels_and_masks_of_the_training(rem: Any, residual: Problems) -> None:
    problem = residual()
    trained = problem.original().expanded()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.1)
    problem = replace(problem, recipe=replace(problem.recipe, tied_dropout=0.4), expanded_weights=trained.state_dict())
    wide = problem.expanded_original().state_dict()
    assert all(torch.equal(tensor, wide[name]) for name, tensor in trained.state_dict().items())
    model = SimpleNamespace(narrow=SimpleNamespace(groups=(50, 70)))
    mine = rem.REM(share=0.1).gates(problem, model, torch.arange(40))
    assert all(torch.equal(a, b) for a, b in zip(mine, tied_gates(torch.arange(40), (50, 70), 0.4), strict=True))
