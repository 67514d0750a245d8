"""The line of a repair: read what is given, obtain the original, run the methods, and report after each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from filelock import Timeout
from torch import nn

from unlearnbench.boundary.boundary import Boundary
from unlearnbench.boundary.isolation import Isolation, refuse_invisible
from unlearnbench.boundary.request import Request
from unlearnbench.contract.recipe import Recipe
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.models import build
from unlearnbench.models.weights import Weights, parts, weights_hash
from unlearnbench.problems import image_folder
from unlearnbench.problems.identity import content_key
from unlearnbench.problems.streams import stream
from unlearnbench.problems.tensors import load_verified, lock, save, tensors_hash, write
from unlearnbench.repairing import report
from unlearnbench.repairing.given import Given, given_of, read_found
from unlearnbench.repairing.methods import choose
from unlearnbench.repairing.original import Channels, Model, model_of, recipe_of
from unlearnbench.repairing.report import Report
from unlearnbench.repairing.trials import Evaluated, evaluated, kept, prepared, run_trial
from unlearnbench.running.originals import ENTRY, TRAINING_SECONDS, path_of
from unlearnbench.running.run import Progress
from unlearnbench.submissions.finding import Discovered, locations
from unlearnbench.system import machine
from unlearnbench.system.processes import cores
from unlearnbench.system.temporary import own, sweep

MOST_THREADS = 8
"""Threads of a trial, if there are as many cores: small models gain nothing from more."""
TIED_DROPOUT = 0.2
"""Probability that a sample uses a memorisation channel, as in suites."""


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all trials of a repair share.

    Attributes:
        request: without a method and without an original.
        data: hash of the images and labels.
        cache: folder for originals that are trained here.
    """

    given: Given
    model: Model
    request: Request
    data: str
    cache: Path
    boundary: Boundary


@dataclass(frozen=True, eq=False)
class _Original:
    """What trials start from: a file of weights, the recipe that they were trained by, and what the model says."""

    key: str
    file: Path
    recipe: Recipe
    says: Evaluated


def repair(
    folder: Path,
    found: Path | None,
    out: Path,
    discovered: Discovered,
    *,
    model: str,
    weights: Path | None,
    width: float = 1.0,
    image_size: int | None = None,
    mean: Channels = (),
    std: Channels = (),
    methods: Sequence[str] = ("auto",),
    data: Path = Path("data"),
    isolation: Isolation = "process",
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Repair a model; `out` gets the weights, the list of suspects and the report, again after every method.

    What an earlier command in the same `out` finished is not run again.

    Args:
        folder: image folder with train/CLASS/*.
        found: list of files that are known to be wrong. None if none are.
        discovered: the submissions there are.
        model, weights, width, image_size, mean, std: as in `original.model_of`.
        methods: names, or `auto` alone.
        data: folder for decoded images and originals that are trained.

    Raises:
        UsageError: what is given cannot be used.
        HarnessError: the harness failed.
    """
    report.refuse_overwriting(out, folder, found, weights)
    listing = image_folder.list_train(folder)
    positions = read_found(found, listing)
    side = image_folder.first_side(listing)
    given_model = model_of(
        model, weights, listing.classes, side, width=width, image_size=image_size, mean=mean, std=std
    )
    images = image_folder.load_train(listing, given_model.image_size, data / "decoded")
    given = given_of(listing, images, positions)
    choice = choose(methods, discovered, given, given_model)
    if isolation == "strict":
        refuse_invisible(locations(choice.submissions))
    machine.keep_memory()  # models are evaluated in this process
    sweep()
    with _alone(out), Boundary(isolation, private=[folder, out]) as boundary:
        own(boundary.folder)
        bench = _bench(given, given_model, boundary, (data / "originals").resolve())
        tied = {item.needs_tied_dropout for item in choice.submissions}
        total = len(choice.submissions) + (0 if given_model.weights is not None else len({False, *tied}))
        done, failed = 0, 0

        def tell(stage: str) -> None:
            watch(Progress(total, done, failed, stage))

        originals = dict[bool, _Original]()
        for kind in sorted({False, *tied}):
            tell("training the original" if given_model.weights is None else "reading the original")
            originals[kind] = _obtain(bench, kind)
            done += given_model.weights is None
        asked = []
        for item in choice.submissions:
            original = originals[item.needs_tied_dropout]
            request = replace(bench.request, original=str(original.file), recipe=original.recipe)
            key = content_key(original=original.key, data=bench.data)
            asked.append(prepared(item, request, key, given, out / report.TRIALS))
        ended = [kept(trial, given) for trial in asked]  # first, so that no report says less than the one before
        start, done = originals[False], done + sum(trial is not None for trial in ended)
        known = tuple(filter(None, ended))
        shown = Report(given, given_model, bench.request.budget, start.recipe, start.says, choice, known)
        if known:
            report.write(shown, out)
        for place, wanted in enumerate(asked):
            if ended[place] is not None:
                continue
            tell(wanted.submission.label)
            ended[place] = trial = run_trial(wanted, given, boundary)
            done, failed = done + 1, failed + (trial.result is None)
            shown = replace(shown, trials=tuple(filter(None, ended)))
            report.write(shown, out)
        tell("done")
    return shown


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Be the only repair that writes to a folder, which is made.

    Raises:
        UsageError: another one does, or the folder cannot be made.
    """
    try:
        (out / report.TRIALS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create {out}: {error.strerror}; choose another folder with --out") from error
    held = lock(out / ".repair")
    try:
        held.acquire(blocking=False)
    except Timeout:
        raise UsageError(
            f"another repair is writing to {out}: wait for it, or choose another folder with --out"
        ) from None
    try:
        yield
    finally:
        held.release()


def _bench(given: Given, model: Model, boundary: Boundary, cache: Path) -> _Bench:
    """Write the training set that methods get, and the request that they share."""
    file = boundary.folder / "training-set.safetensors"
    labels = torch.from_numpy(given.labels)
    write({"images": given.images[given.train], "labels": labels[given.train]}, file)
    sizes = (len(given.labels), len(given.train), len(given.train) - len(given.found), len(given.found))
    recipe, budget = recipe_of(model.spec.architecture, sizes)
    device = machine.device()
    request = Request(
        entry="",
        training_set=str(file),
        forget=[],
        model=replace(model.spec, image_size=given.images.shape[-1]),
        pipeline=model.pipeline(given.images),
        budget=budget,
        recipe=recipe,
        seed=stream(0, "repair", "unlearning"),
        threads=min(cores(), MOST_THREADS),
        precision=machine.precision("auto", device),
        device=device,
        seconds=TRAINING_SECONDS,
        memory_bytes=0,
    )
    return _Bench(given, model, request, tensors_hash({"images": given.images, "labels": labels}), cache, boundary)


def _obtain(bench: _Bench, tied: bool) -> _Original:
    """The original: the given weights, or one that is trained on all samples, unless it is cached.

    Raises:
        HarnessError: training failed.
    """
    request, model = bench.request, bench.model
    recipe = replace(request.recipe, tied_dropout=TIED_DROPOUT) if tied else request.recipe
    if model.weights is not None:
        key, file, weights = weights_hash(model.weights), bench.boundary.folder / "original.safetensors", model.weights
        write(weights, file)
    else:
        key = content_key(
            data=bench.data,
            model=vars(request.model),
            recipe=vars(recipe),
            pipeline=vars(request.pipeline),
            precision=request.precision,
            device=request.device,
        )
        file = path_of(bench.cache, key)
        with lock(file):
            cached = load_verified(file)
            weights = _trained(bench, recipe) if cached is None else cached
            if cached is None:
                save(weights, file)
    says = evaluated(parts(weights)[0], request.model, request.pipeline, bench.given, request.device)
    return _Original(key, file, recipe, says)


def _trained(bench: _Bench, recipe: Recipe) -> Weights:
    """Train an original on all samples, with their given labels. With tied dropout as `running.originals.train`."""
    given, file = bench.given, bench.boundary.folder / "all.safetensors"
    write({"images": given.images, "labels": torch.from_numpy(given.labels)}, file)
    request = replace(
        bench.request,
        entry=ENTRY,
        training_set=str(file),
        recipe=recipe,
        seed=stream(0, "repair", "original"),
    )
    model = build(request.model)
    reference = model.state_dict()
    if recipe.tied_dropout is not None:
        reference = nn.ModuleDict({"dropped": model, "expanded": model.widened(recipe.shared)}).state_dict()
    outcome = bench.boundary.run(request, reference)
    file.unlink()
    if outcome.weights is None:
        raise HarnessError(f"training of the original failed: {outcome.reason}")
    return outcome.weights
