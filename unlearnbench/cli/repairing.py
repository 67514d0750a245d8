"""The command that repairs a model on images of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlearnbench.cli.common import Bar, Data, Isolation, Level, Submissions, app, complain, out, say, stoppable, warn
from unlearnbench.errors import UsageError

REPAIR = "Repair a model"
STOPPED = "Stopped. Every finished method is in the report; the same command continues from there."


def _three(text: str | None, option: str) -> tuple[float, ...]:
    """Three numbers between commas, one per colour channel; none without a text."""
    if text is None:
        return ()
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3 or not all(0 <= number < float("inf") for number in numbers):
        raise UsageError(f"{option} takes three numbers of at least 0, such as 0.49,0.48,0.45, not '{text}'")
    return numbers


@app.command(
    rich_help_panel=REPAIR,
    epilog="Example: `unlearnbench repair photos --found bad.txt --model resnet50 --weights mine.pt`",
)
def repair(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", file_okay=False, help="Image folder with train/CLASS/*.")],
    found: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="List of files known to be wrong, a path a line."),
    ] = None,
    to: Annotated[
        Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for weights, list and report.")
    ] = Path("repaired"),
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Architecture of suites, or classifier of torchvision, which needs --weights."
        ),
    ] = "resnet18",
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Weights: safetensors, or a `state_dict` of torch.save; without them, a model of suites is trained.",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Run this method (repeatable); default: `auto`, what the board recommends."),
    ] = None,
    width: Annotated[
        float, typer.Option(metavar="X", min=0.01, help="Factor on the channels of an architecture of suites.")
    ] = 1.0,
    image_size: Annotated[
        int | None,
        typer.Option(metavar="N", min=16, help="Resize images to this side; default: torchvision's for its models."),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="Mean of the model's inputs; default: torchvision's, or the folder's."),
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Deviation of the model's inputs; default: as for --mean.")
    ] = None,
    data: Data = Path("data"),
    submissions: Submissions = None,
    isolation: Isolation = Level.process,
) -> None:
    """Repair a model on images of your own.

    Needs no truth: a folder of images, and a list of those that are known to be wrong. Writes repaired weights, a
    report, and a list of the next suspects. Exits with 1 if no method finished.
    """
    from unlearnbench import library
    from unlearnbench.boundary.isolation import require
    from unlearnbench.repairing.report import NO_TRUTH, PAGE, sentences, sheets
    from unlearnbench.report.text.tables import terminal_table

    require(isolation.value)
    with stoppable(STOPPED), Bar() as bar:
        report = library.repair(
            folder,
            found,
            to,
            model=model,
            weights=weights,
            methods=method or ("auto",),
            width=width,
            image_size=image_size,
            mean=_three(mean, "--mean"),
            std=_three(std, "--std"),
            data=data,
            submissions=submissions,
            isolation=isolation.value,
            watch=bar.show,
        )
    for sentence in sentences(report):
        say(sentence)
    out.print(*(terminal_table(sheet) for sheet in sheets(report)), sep="\n")
    say(NO_TRUTH)
    for message in report.warnings:
        warn(message)
    if report.best is None:
        complain("no method finished, so there are no repaired weights", "red")
        raise typer.Exit(1)
    say(f"What each number can and cannot show, and the suspects: {to / PAGE}")
