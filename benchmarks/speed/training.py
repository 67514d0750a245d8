"""Training and evaluation: images a second of the harness, of a plain recipe, and of the machine's matrix peak.

Each measurement has a process of its own, so that none inherits threads, caches or memory from another.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from unlearnbench import Classifier, ImageSet, Pipeline, Recipe, predict
from unlearnbench.models import ModelSpec, build
from unlearnbench.models.training import train
from unlearnbench.system import machine

CLASSES = 10
REPEATS = 2


@dataclass(frozen=True)
class Case:
    """A model with the batches that a suite trains it on; `steps` of them are timed, after two that are not."""

    name: str
    width: float
    capacity: float
    size: int
    channels: int
    batch_size: int
    crop_padding: int
    steps: int

    def model(self) -> Classifier:
        return build(ModelSpec("resnet9", self.width, self.capacity, CLASSES, self.channels, self.size))

    def images(self, count: int) -> tuple[Tensor, Tensor]:
        shape = (count, self.channels, self.size, self.size)
        return torch.randint(256, shape, dtype=torch.uint8), torch.randint(CLASSES, (count,))


CASES = (
    Case("ResNet-9, 32x32", 1.0, 1.0, 32, 3, 256, 4, 3),
    Case("ResNet-9 at 50% capacity, 32x32 (cifar10-resnet9)", 1.0, 0.5, 32, 3, 512, 4, 6),
    Case("ResNet-9 at quarter width, 50% capacity, 16x16 (digits)", 0.25, 0.5, 16, 1, 64, 0, 200),
)


def flops(case: Case) -> float:
    """Floating-point operations of one image forward; training takes three times as many."""
    with FlopCounterMode(display=False) as counter:
        case.model()(torch.zeros(2, case.channels, case.size, case.size))
    return float(counter.get_total_flops()) / 2


def alone(function: Callable[..., Any], *arguments: object, repeats: int = REPEATS) -> Any:
    """What the function gives in a fresh process; the best of some repeats."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        return max(pool.submit(function, *arguments).result() for _ in range(repeats))


def at_once(function: Callable[..., float], workers: int, *arguments: object, repeats: int = REPEATS) -> float:
    """The sum of what the function gives in so many fresh processes at the same time; the best of some repeats.

    They begin a few milliseconds apart, against seconds of work.
    """
    sums = []
    for _ in range(repeats):
        with get_context("spawn").Manager() as manager:
            barrier = manager.Barrier(workers)
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                sums.append(sum(pool.map(function, *zip(*[(*arguments, barrier)] * workers, strict=True))))
    return max(sums)


def peak(precision: str, threads: int) -> float:
    """Operations a second of the largest matrix product, or of the first that takes a second.

    Where bfloat16 is emulated (1 GFLOP/s on a processor with AVX2 alone), the largest would take minutes.
    """
    torch.set_num_threads(threads)
    device, largest, seconds = machine.device(), 4096 if machine.device() == "cpu" else 8192, 0.0
    size = 256
    while size < largest and seconds < 1:
        size *= 2
        a, b = (torch.randn(size, size, device=device).to(getattr(torch, precision)) for _ in range(2))
        seconds = min(timed(lambda: a @ b) for _ in range(5))  # noqa: B023 called at once
    return 2.0 * size**3 / seconds


def harness_training(case: Case, precision: str, threads: int, barrier: object = None) -> float:
    """Images a second of `models.training.train`, as a trial runs it."""
    model, images, recipe = prepared(case, threads)
    with torch.autocast(machine.device(), torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
        train(model, images, recipe(2))
        _wait(barrier)
        seconds = timed(lambda: train(model, images, recipe(case.steps)))
    return case.steps * case.batch_size / seconds


def forked(case: Case, precision: str) -> float:
    """Speed of `models.training.train` in a fork of this process, as trials are, as a share of the speed in itself.

    By processor time. The child prepares what a trial's process does (`boundary.child`), so a share under 0.97 means
    that something which a fork costs is not made up for.
    """
    model, images, recipe = prepared(case, 1)

    def seconds() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
            train(model, images, recipe(2))
            begin = time.process_time()
            train(model, images, recipe(case.steps))
        return time.process_time() - begin

    ours, theirs = get_context("fork").Pipe(duplex=False)
    if (child := os.fork()) == 0:
        machine.map_constants()
        theirs.send(seconds())
        os._exit(0)
    slow: float = ours.recv()
    os.waitpid(child, 0)
    return seconds() / slow


def harness_evaluation(case: Case, precision: str, threads: int, barrier: object = None) -> float:
    """Images a second of `predict`, as a trial and its evaluation run it."""
    model, images, _ = prepared(case, threads)
    with torch.autocast(machine.device(), torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
        predict(model, images.images[: case.batch_size], images.pipeline)
        _wait(barrier)
        seconds = timed(lambda: predict(model, images.images, images.pipeline).sum().item())
    return len(images) / seconds


def plain_training(case: Case, threads: int) -> float:
    """Images a second of the recipe as published codes run it."""
    torch.set_num_threads(threads)
    device, model = machine.device(), case.model().to(machine.device())
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    batches = _plain_batches(case, augment=True)

    def step() -> None:
        images, labels = next(batches)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        loss.item()  # for the running mean that they print

    for _ in range(2):
        step()
    return case.steps * case.batch_size / timed(partial(_repeat, step, case.steps))


def plain_evaluation(case: Case, threads: int) -> float:
    """Images a second of the test loop as published codes run it."""
    torch.set_num_threads(threads)
    device, model = machine.device(), case.model().to(machine.device()).eval()
    batches = _plain_batches(case, augment=False)

    @torch.no_grad()
    def step() -> None:
        images, labels = next(batches)
        (model(images.to(device)).argmax(1) == labels.to(device)).sum().item()

    step()
    return case.steps * case.batch_size / timed(partial(_repeat, step, case.steps))


class Plain(Dataset[tuple[Tensor, int]]):
    """Images as PIL images with transforms, one by one."""

    def __init__(self, case: Case, augment: bool, count: int):
        images, self.labels = case.images(count)
        self.images = [transforms.functional.to_pil_image(image) for image in images]
        crops = [transforms.RandomCrop(case.size, case.crop_padding), transforms.RandomHorizontalFlip()]
        first: list[nn.Module] = crops if augment and case.crop_padding else []
        last = [transforms.ToTensor(), transforms.Normalize([0.5] * case.channels, [0.25] * case.channels)]
        self.transform = transforms.Compose([*first, *last])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


def _plain_batches(case: Case, augment: bool) -> Iterator[tuple[Tensor, Tensor]]:
    workers = min(2, os.cpu_count() or 1)
    loader = DataLoader(
        Plain(case, augment, max(1024, 2 * case.batch_size)),
        case.batch_size,
        shuffle=augment,
        num_workers=workers,
        persistent_workers=True,
    )
    while True:
        yield from loader


def prepared(case: Case, threads: int) -> tuple[Classifier, ImageSet, Callable[[int], Recipe]]:
    machine.keep_memory()
    torch.set_num_threads(threads)
    device = machine.device()
    model = case.model().to(device)
    images, labels = (tensor.to(device) for tensor in case.images(max(1024, 2 * case.batch_size)))
    pipeline = Pipeline((0.5,) * case.channels, (0.25,) * case.channels, case.crop_padding, flip=case.crop_padding > 0)
    ids = torch.arange(len(labels), device=device)
    image_set = ImageSet(images, labels, ids, pipeline, torch.Generator().manual_seed(0), case.batch_size)
    return model, image_set, lambda steps: Recipe(steps=steps, batch_size=case.batch_size, peak_learning_rate=0.01)


def _repeat(step: Callable[[], None], times: int) -> None:
    for _ in range(times):
        step()


def _wait(barrier: object) -> None:
    if barrier is not None:
        barrier.wait()  # type: ignore[attr-defined]


def timed(function: Callable[[], object]) -> float:
    synchronise: Callable[[], None] = torch.cuda.synchronize if machine.device() == "cuda" else lambda: None
    synchronise()
    begin = time.perf_counter()
    function()
    synchronise()
    return time.perf_counter() - begin
