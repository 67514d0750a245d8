"""The function that repairs a model on images of your own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unlearnbench.library.shared import Where, unwatched
from unlearnbench.system import shipped

if TYPE_CHECKING:
    from unlearnbench.boundary.isolation import Isolation
    from unlearnbench.repairing.report import Report
    from unlearnbench.running.run import Progress


def repair(
    folder: Where,
    found: Where | None = None,
    out: Where = "repaired",
    *,
    model: str = "resnet18",
    weights: Where | None = None,
    methods: Sequence[str] = ("auto",),
    width: float = 1.0,
    image_size: int | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    data: Where = "data",
    submissions: Where | None = None,
    isolation: Isolation = "process",
    watch: Callable[[Progress], None] = unwatched,
) -> Report:
    """Repair a model that was trained on a folder of images some of which are wrong (docs/repair.md).

    Writes `weights.safetensors`, `suspects.csv`, `report.md` and `report.html` to `out`, again after every method. What
    an earlier call with the same `out` finished is not run again.

    Args:
        folder: image folder with train/CLASS/*.
        found: list of files that are known to be wrong, one path a line; default: none are.
        model: an architecture of suites, or a classifier of torchvision with `weights`.
        weights: its file, of safetensors or `torch.save`; default: a model is trained by a recipe.
        methods: names, or `auto`: what the board recommends, and of that the blind rule's best.
        width: factor on the channels of an architecture of suites.
        image_size: side in pixels that images are resized to; default: torchvision's for its models, else none.
        mean, std: of the model's inputs, three numbers each; default: torchvision's for its models, else the folder's.
        data: folder for decoded images and trained originals.
        submissions, isolation, watch: as in `run`.
    """
    from unlearnbench.repairing.run import repair as run
    from unlearnbench.submissions.finding import discover

    return run(
        Path(folder),
        None if found is None else Path(found),
        Path(out),
        discover(*shipped.places("submissions", submissions)),
        model=model,
        weights=None if weights is None else Path(weights),
        width=width,
        image_size=image_size,
        mean=tuple(mean),
        std=tuple(std),
        methods=methods,
        data=Path(data),
        isolation=isolation,
        watch=watch,
    )
