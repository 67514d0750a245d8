"""What comes out of a repair: weights, the list of suspects, and one report for terminal, Markdown and browser."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pandas as pd
from jinja2 import Environment
from PIL import Image

from unlearnbench.contract.recipe import Budget, Recipe
from unlearnbench.errors import UsageError
from unlearnbench.evaluation.metrics import MEMORISED
from unlearnbench.problems.tensors import load_verified
from unlearnbench.problems.tensors import write as write_tensors
from unlearnbench.repairing.given import HELD_OUT, Given
from unlearnbench.repairing.methods import Choice
from unlearnbench.repairing.original import Model
from unlearnbench.repairing.suspects import Suspect, suspects
from unlearnbench.repairing.trials import Accuracies, Evaluated, Trial, best
from unlearnbench.report.escaping import markdown_text, one_line, printable
from unlearnbench.report.text.formats import LEFT_ALIGNED, Sheet, csv, markdown
from unlearnbench.system.files import replacing

WEIGHTS, LIST, MARKDOWN, PAGE = "weights.safetensors", "suspects.csv", "report.md", "report.html"
TRIALS = "trials"
"""The folder of the results of single methods. Only a repair has written the files beside it."""
LISTED, PICTURED = 20, 60
"""Suspects in tables, and on the contact sheet."""
SIDE = 96
"""Side in pixels of a picture on the contact sheet."""
FITTED = 0.5
"""Below this accuracy on the given labels, a model was probably trained on other classes or inputs."""

WHAT_IT_SHOWS = (
    ("D_r, before and after", "how much the repair kept of what the model said of samples that nobody found. Those of"
     " them that are wrong count as right here, so a good repair may lose a little."),
    ("D_f, before and after", "whether the model still gives the found samples the labels that are known to be wrong."
     " Not whether it gives them the right ones: nobody wrote those down."),
    ("held-out part of D_r", "the same as D_r on samples that the methods did not get. The original was trained on"
     " them. If it falls much more than D_r, the repaired model fits what it was given and little else."),
    ("score", "Acc(D_r) x (1 - max(Acc(D_f), 0.2)), the rule that chose. It rewards forgetting D_f and keeping the"
     " rest, wrong labels included. It cannot tell a healed sample from one that is wrong in a new way."),
    ("suspects", "samples that nobody found and to which a method gives another class than the original did. All"
     " methods that finished count, by the mean: the one that was taken may have kept most wrong labels. Some"
     " suspects are wrong labels, some are mistakes of the methods. Look at them. If labels are wrong at random, what"
     " was found says little about the rest."),
)  # fmt: skip
NO_TRUTH = (
    "There is no truth in these numbers: all accuracies are against the labels of the folders, some of which are wrong."
)


@dataclass(frozen=True, eq=False)
class Report:
    """All that a repair has found so far.

    Attributes:
        original: what the original says of the samples.
        trials: those that have ended, in the order of the methods.
    """

    given: Given
    model: Model
    budget: Budget
    recipe: Recipe
    original: Evaluated = field(repr=False)
    choice: Choice
    trials: tuple[Trial, ...] = ()

    @property
    def best(self) -> Trial | None:
        return best(self.trials)

    @property
    def finished(self) -> list[Evaluated]:
        return [trial.result for trial in self.trials if trial.result is not None]

    @cached_property
    def suspects(self) -> list[Suspect]:
        return suspects(self.original.probabilities, [one.probabilities for one in self.finished], self.given)

    @property
    def waiting(self) -> list[str]:
        """The methods that have not run yet."""
        ended = {trial.submission.label for trial in self.trials}
        return [item.label for item in self.choice.submissions if item.label not in ended]

    @property
    def warnings(self) -> list[str]:
        before, found = self.original.accuracies, []
        if before.retain < FITTED:
            found.append(
                f"The model gives only {_percent(before.retain)}% of the samples that nobody found the label of their"
                " folder. Are its classes those of the folders, in the order of their names? Are its inputs normalised"
                " as in its training (--mean, --std)?"
            )
        elif before.forget is not None and before.forget < MEMORISED:
            found.append(
                f"The model gives only {_percent(before.forget)}% of the found samples their given label. It hardly"
                " learnt what is wrong with them, so there is little to repair."
            )
        if before.forget is None:
            found.append(
                "Without found samples, the rule sees only what was kept: it takes the model that changed least."
            )
        elif self.best is not None and self.best.score <= before.score(self.budget.stop_accuracy):
            found.append("By the rule, no method is better than leaving the model as it is.")
        return found


def sentences(report: Report) -> list[str]:
    """How the numbers came about, a paragraph each."""
    given, model, recipe = report.given, report.model, report.recipe
    samples = (
        f"{len(given.labels):,} images of {len(given.classes)} classes, {len(given.found):,} of them found (D_f), and"
        f" {len(given.retain):,} not (D_r). Methods do not get {len(given.held_out):,} of D_r: {HELD_OUT:.0%} of each"
        " class."
    )
    how = (
        f"{recipe.steps:,} steps of {recipe.batch_size} images with {recipe.optimizer.upper()} at a rate of"
        f" {recipe.peak_learning_rate:g} that warms up over {recipe.warmup:.0%} and decays to {recipe.final:.0%},"
        f" weight decay {recipe.weight_decay:g}, without augmentation"
    )
    uses = any(item.needs_retraining for item in report.choice.submissions)
    trained = f"Recipe: {how}." if model.weights is None or uses else ""
    budget = f"A method may train for {report.budget.steps:,} steps of {report.budget.batch_size}."
    chosen = "No method has finished."
    if report.best is not None:
        taken, tried = report.best.submission.label, len(report.trials)
        chosen = f"Taken: {taken}, which has the highest score of {tried} that ran. This is a choice without truth."
    return [samples, f"Model: {model.source}.", *([trained] if trained else []), budget, report.choice.why, chosen]


def sheets(report: Report) -> list[Sheet]:
    """The tables of the report: before and after, methods, suspects."""
    best, before = report.best, report.original.accuracies
    after = None if best is None or best.result is None else best.result.accuracies
    kinds = (("D_r", "retain"), ("D_f", "forget"), ("held-out part of D_r", "held_out"))
    accuracies = [
        [label, _percent(getattr(before, name)), _percent(None if after is None else getattr(after, name))]
        for label, name in kinds
    ]
    rows = [["(original)", *_cells(before), _percent(before.score(report.budget.stop_accuracy)), "", "", ""]]
    for trial in report.trials:
        if trial.result is None:
            rows.append([trial.submission.label, "", "", "", "", "", "", f"failed: {trial.reason}"])
            continue
        changed = trial.result.probabilities.argmax(axis=1) != report.original.probabilities.argmax(axis=1)
        cells = [*_cells(trial.result.accuracies), _percent(trial.score), str(int(changed[report.given.retain].sum()))]
        seconds = "" if trial.seconds is None else f"{trial.seconds:.0f}"
        rows.append([trial.submission.label, *cells, seconds, "taken" if trial is best else ""])
    rows += [[name, "", "", "", "", "", "", "has not run yet"] for name in report.waiting]
    rows += [[name, "", "", "", "", "", "", f"left out: {why}"] for name, why in report.choice.left_out.items()]
    listed = [
        [str(number), item.file, item.given, item.before, item.after, str(item.methods), f"{item.change:.3f}"]
        for number, item in enumerate(report.suspects[:LISTED], 1)
    ]
    count = len(report.suspects)
    found = [
        Sheet("Accuracy on the given labels (%)", ("On", "before", "after"), [accuracies]),
        Sheet(
            "Methods",
            ("Method", "D_r", "D_f", "held out", "score", "changed", "seconds", "Finding"),
            [rows],
            "Changed: samples of D_r whose predicted class is another than before.",
        ),
        Sheet(
            f"Suspects: the first {len(listed)} of {count}" if count > len(listed) else f"Suspects: {count}",
            ("#", "File", "Given", "Before", "After", "methods", "change"),
            [listed],
            f"Methods: how many of the {len(report.finished)} that finished changed the class. Change: by how much the"
            " probability of the given label fell, mean over them.",
        ),
    ]
    return found if listed else found[:2]


def _cells(accuracies: Accuracies) -> list[str]:
    return [_percent(value) for value in (accuracies.retain, accuracies.forget, accuracies.held_out)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def refuse_overwriting(out: Path, folder: Path, *given: Path | None) -> None:
    """Check that `write` replaces or removes nothing but the results of an earlier repair, and adds no class.

    Args:
        folder: the images.
        given: other files that the user gave.

    Raises:
        UsageError: it would.
    """
    results = [out / name for name in (WEIGHTS, LIST, MARKDOWN, PAGE)]
    for file in filter(None, given):
        if file.resolve() in [path.resolve() for path in results]:
            raise UsageError(f"{file} would be overwritten by the results of this repair: choose another --out")
    if there := [path for path in results if path.exists() and not (out / TRIALS).is_dir()]:
        raise UsageError(f"{there[0]} is not of an earlier repair, and would be overwritten: choose another --out")
    if out.resolve().is_relative_to((folder / "train").resolve()):
        raise UsageError(f"{out} is among the images, and would be read as one of their classes: choose another --out")


def suspects_csv(found: list[Suspect]) -> str:
    """All suspects, a row each, the most changed first."""
    columns = [name for name in Suspect.__dataclass_fields__ if name != "position"]
    rows = [
        {"rank": number, **{name: getattr(item, name) for name in columns}, "change": item.change}
        for number, item in enumerate(found, 1)
    ]
    return csv(pd.DataFrame(rows, columns=["rank", *columns, "change"]))


def as_markdown(report: Report) -> str:
    parts = [f"# Repair of {markdown_text(report.given.folder.path.name)}"]
    parts += [f"**{markdown_text(text)}**" for text in report.warnings]
    parts += [markdown_text(text) for text in sentences(report)]
    parts += [markdown(sheets(report)).rstrip(), "## What these numbers can and cannot show", NO_TRUTH]
    parts += [f"- **{name}**: {text}" for name, text in WHAT_IT_SHOWS]
    return "\n\n".join(parts) + "\n"


def as_page(report: Report) -> str:
    """One HTML file that loads nothing, with the contact sheet of the first suspects."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["line"] = one_line
    template = environment.from_string((files(__package__ or "") / "page.html").read_text(encoding="utf-8"))
    return template.render(
        title=f"Repair of {printable(report.given.folder.path.name)}",
        warnings=report.warnings,
        sentences=sentences(report),
        sheets=sheets(report),
        shows=WHAT_IT_SHOWS,
        no_truth=NO_TRUTH,
        count=len(report.suspects),
        left=LEFT_ALIGNED,
        pictures=[(number, item, _picture(report, item)) for number, item in enumerate(report.suspects[:PICTURED], 1)],
        listing=LIST,
    )


def _picture(report: Report, suspect: Suspect) -> str:
    """The image as the model gets it, as a data URI."""
    picture = Image.fromarray(report.given.images[suspect.position].permute(1, 2, 0).numpy())
    small = picture.width <= SIDE
    picture = picture.resize((SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR)
    content = BytesIO()
    picture.save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def write(report: Report, out: Path) -> None:
    """Write all files of a repair, each at once, so that a reader finds the old one or the new one.

    Raises:
        UsageError: a file cannot be written.
        HarnessError: the weights cannot be written.
    """
    texts = {MARKDOWN: as_markdown(report), PAGE: as_page(report), LIST: suspects_csv(report.suspects)}
    for name, text in texts.items():
        with replacing(out / name) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    if report.best is None:
        (out / WEIGHTS).unlink(missing_ok=True)  # those of another list of files, which this report does not describe
    elif report.best.weights is not None:
        weights = load_verified(report.best.weights)
        assert weights is not None, "this command has written it"
        note = {"method": report.best.submission.label, "classes": json.dumps(report.given.classes)}
        with replacing(out / WEIGHTS) as part:
            write_tensors(report.model.exported(weights), part, note)
