"""Training on a GPU: images a second beside the released loop and a fast CIFAR-10 recipe, and where the GPU waits.

python -m benchmarks.speed.gpu [--steps 100] [--processes 2 4 8] [--compiled]

Every measurement has a process of its own, except that *at once* several train at the same time, each as a trial does.
*Busy* is the share of the wall time in which a kernel or a copy runs on the GPU; *waits* are the calls per step after
which the processor has waited for the GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._autograd import DeviceType  # has no public counterpart
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed import training
from benchmarks.speed.training import CLASSES, Case, alone, at_once, flops
from unlearnbench.models.training import train
from unlearnbench.system import machine

FULL = Case("ResNet-9", 1.0, 1.0, 32, 3, 512, 4, 100)
HALF = Case("ResNet-9 at 50% capacity", 1.0, 0.5, 32, 3, 512, 4, 100)
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
FAST_BATCH = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="steps of a measurement")
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 4, 8], help="how many train at once")
    parser.add_argument("--compiled", action="store_true", help="only the compiled models, which take a minute")
    arguments = parser.parse_args()
    steps, device = arguments.steps, machine.device()
    chosen = machine.precision("auto", device)
    peak = alone(training.peak, "bfloat16", 1, repeats=1)
    hardware, versions = machine.hardware(device), machine.versions()
    print(f"{hardware['device']}, {hardware['processor']}; torch {versions['torch']}; {chosen}")
    print(f"matrix peak in bfloat16: {peak / 1e12:.0f} TFLOP/s\n", flush=True)
    print("| training | batch | images/s | of the peak | busy | waits a step | kernels a step |")
    print("| :-- | --: | --: | --: | --: | --: | --: |", flush=True)
    compiled = arguments.compiled
    for case in (FULL, HALF):
        name, function = f"{case.name}, harness{', compiled' * compiled}", partial(harness, compiled=compiled)
        row(name, case.batch_size, function, case, chosen, steps, peak, 3 * flops(case))
    name, function = f"the network of airbench94{', compiled' * compiled}", partial(fast, compiled=compiled)
    row(name, FAST_BATCH, function, FULL, chosen, steps, peak, 3 * fast_flops())
    if compiled:
        return
    for case in (FULL, HALF):  # last, and a fifth of the steps: its loader workers take most of the time
        name, fewer = f"{case.name}, the released loop", max(steps // 5, 1)
        row(name, case.batch_size, released, case, chosen, fewer, peak, 3 * flops(case))
    if not arguments.processes:
        return
    print("\n| processes that train at once | " + " | ".join(map(str, arguments.processes)) + " |")
    print("| :-- |" + " --: |" * len(arguments.processes))
    for case in (FULL, HALF):
        sums = [at_once(alone_rate, count, case, chosen, steps, repeats=1) for count in arguments.processes]
        print(f"| {case.name}, images/s together | " + " | ".join(f"{rate:.0f}" for rate in sums) + " |", flush=True)


def row(
    name: str,
    batch: int,
    function: Callable[..., Any],
    case: Case,
    precision: str,
    steps: int,
    peak: float,
    cost: float,
) -> None:
    """Print what `function` measures. One that fails, such as a compiler without a compiler, has its reason instead."""
    try:
        rate, busy, waits, kernels = alone(function, case, precision, steps, repeats=1)
    except RuntimeError as error:
        print(f"| {name} | {batch} | {str(error).splitlines()[0][:100]} | | | | |", flush=True)
        return
    print(
        f"| {name} | {batch} | {rate:.0f} | {rate * cost / peak:.0%} | {busy:.0%} | {waits:.1f} | {kernels:.0f} |",
        flush=True,
    )


Measured = tuple[float, float, float, float]
"""Images a second, share of the time that the GPU is busy, waits and kernels a step."""


def harness(case: Case, precision: str, steps: int, *, compiled: bool = False) -> Measured:
    """`models.training.train`, as a trial runs it."""
    model, images, recipe = training.prepared(case, 1)
    if compiled:
        model.compile()
    with torch.autocast(machine.device(), torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
        return measured(lambda count: train(model, images, recipe(count)), steps, case.batch_size)


def alone_rate(case: Case, precision: str, steps: int, barrier: Any) -> float:
    """Images a second of the harness while others do the same."""
    return training.harness_training(Case(**vars(case) | {"steps": steps}), precision, 1, barrier)


def released(case: Case, precision: str, steps: int) -> Measured:
    """The loop of Goel et al.: four loader workers, PIL images, float16 with a scaler, a running accuracy."""
    device, model = machine.device(), case.model().to(machine.device())
    optimizer = torch.optim.SGD(model.parameters(), 0.025, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - 0.8 * step / 4000)
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda")
    images = training.Plain(case, True, 50_000 if device == "cuda" else 1024)
    loader = DataLoader(images, case.batch_size, shuffle=True, num_workers=4, pin_memory=device == "cuda")
    right = torch.zeros((), device=device)

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = endless()

    def run(count: int) -> None:
        for _ in range(count):
            inputs, labels = (tensor.to(device) for tensor in next(batches))
            with torch.autocast(device, torch.float16 if device == "cuda" else torch.bfloat16):
                optimizer.zero_grad()
                logits = model(inputs)
                loss = functional.cross_entropy(logits, labels)
            right.add_((logits.argmax(1) == labels).float().mean())
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
        right.item()

    return measured(run, steps, case.batch_size)


def fast(case: Case, precision: str, steps: int, *, compiled: bool = False) -> Measured:
    """Steps of the network of airbench94 (Keller Jordan), whose whole training set is on the GPU in half precision."""
    device = machine.device()
    kind = torch.float16 if device == "cuda" else torch.bfloat16
    model = fast_network().to(device, kind).to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.float()
    if compiled:
        model.compile()
    torch.backends.cudnn.benchmark = True
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-3, 0.85, nesterov=True)
    images = torch.randn(50 * FAST_BATCH, 3, 32, 32, device=device, dtype=kind).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (len(images),), device=device)

    def run(count: int) -> None:
        model.train()
        order = torch.randperm(len(images), device=device)
        for step in range(count):
            chosen = order.roll(-step * FAST_BATCH)[:FAST_BATCH]
            loss = functional.cross_entropy(
                model(images[chosen]), labels[chosen], label_smoothing=0.2, reduction="none"
            )
            optimizer.zero_grad(set_to_none=True)
            loss.sum().backward()
            optimizer.step()

    return measured(run, steps, FAST_BATCH)


def fast_network() -> nn.Module:
    """A 2x2 convolution, three groups of two 3x3 convolutions (64, 256 and 256 channels) and a linear layer."""

    def group(inputs: int, outputs: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(outputs),
            nn.GELU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.GELU(),
        ]

    layers = [nn.Conv2d(3, 24, 2), nn.GELU(), *group(24, 64), *group(64, 256), *group(256, 256)]
    network = nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(256, CLASSES, bias=False))
    layers[0].weight.requires_grad = False
    return network


def fast_flops() -> float:
    with FlopCounterMode(display=False) as counter:
        fast_network()(torch.zeros(2, 3, 32, 32))
    return float(counter.get_total_flops()) / 2


def measured(run: Callable[[int], object], steps: int, batch: int) -> Measured:
    """Run so many steps, after some that warm up, and then a few with the profiler."""
    run(min(10, steps))
    rate = steps * batch / training.timed(lambda: run(steps))
    if machine.device() != "cuda":
        return rate, float("nan"), float("nan"), float("nan")
    few = min(steps, 20)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True) as profiler:
        training.timed(lambda: run(few))
    events = profiler.profiler.kineto_results.events()
    on_gpu = sorted(
        (event.start_ns(), event.start_ns() + event.duration_ns())
        for event in events
        if event.device_type() == DeviceType.CUDA
    )
    waits = sum(event.name() in WAITS for event in events)
    # The profiler slows the processor down, not the kernels: their time is held against the wall time without it.
    return rate, covered(on_gpu) / 1e9 / few * rate / batch, waits / few, len(on_gpu) / few


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Length of the union of spans in order of their begin."""
    total, until = 0.0, float("-inf")
    for begin, end in spans:
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


if __name__ == "__main__":
    main()
