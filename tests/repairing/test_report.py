"""The report says what was measured, ranks suspects by how much changed, and shows names of files as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from unlearnbench.contract.recipe import Budget
from unlearnbench.models import ModelSpec
from unlearnbench.problems.image_folder import list_train
from unlearnbench.problems.tensors import save
from unlearnbench.repairing.given import Given, given_of
from unlearnbench.repairing.methods import Choice
from unlearnbench.repairing.original import SGD, Model
from unlearnbench.repairing.report import Report, as_markdown, as_page, sheets, write
from unlearnbench.repairing.suspects import suspects
from unlearnbench.repairing.trials import Accuracies, Evaluated, Trial, best
from unlearnbench.submissions.finding import Submission

BEFORE = Accuracies(0.9, 1.0, 0.8)


def says(given: Given, **other: tuple[int, float]) -> Evaluated:
    """A model that gives every sample its label with certainty, and others another class with a probability."""
    found = np.full((len(given.labels), 3), 0.0)
    found[np.arange(len(given.labels)), given.labels] = 1.0
    for name, (label, probability) in other.items():
        place = int(name.removeprefix("at"))
        found[place] = (1 - probability) / 2
        found[place, label] = probability
    return Evaluated(found, BEFORE)


def test_suspects_are_what_changed_and_was_not_found(given: Callable[..., Given]) -> None:
    some = given(0, 1)
    before = says(some, at5=(1, 0.9), at6=(2, 0.9))
    after = says(some, at0=(1, 0.9), at2=(1, 0.6), at3=(2, 0.8), at6=(2, 0.6))
    found = suspects(before.probabilities, [after.probabilities], some)
    assert [item.position for item in found] == [3, 2, 5], "0 was found, 6 has the same class, 5 got its label back"
    assert [round(item.change, 2) for item in found] == [0.9, 0.8, -0.95]
    assert [item.methods for item in found] == [1, 1, 1]
    assert (found[0].given, found[0].before, found[0].after) == ("ant", "ant", "cow")
    assert found[0].file == "train/ant/03.png"
    assert [item.held_out for item in found] == [item.position in some.held_out for item in found]


def test_every_method_that_finished_has_a_say(given: Callable[..., Given]) -> None:
    some = given(0, 1)
    before, kept = says(some), says(some)
    one, two = says(some, at4=(1, 1.0), at7=(2, 1.0)), says(some, at4=(2, 0.6), at8=(1, 0.6))
    found = suspects(before.probabilities, [item.probabilities for item in (one, two, kept, kept)], some)
    assert [(item.position, item.methods) for item in found] == [(4, 2), (7, 1), (8, 1)]
    assert [item.after for item in found] == ["bee", "cow", "bee"], "the most probable other class"
    assert found[0].change == pytest.approx((1 + 0.8) / 4)
    assert suspects(before.probabilities, [], some) == []


def test_the_rule_is_that_of_tuning() -> None:
    assert Accuracies(0.9, 0.5, None).score(0.2) == pytest.approx(0.45)
    assert Accuracies(0.9, 0.1, None).score(0.2) == pytest.approx(0.72), "below gamma, D_f is forgotten"
    assert Accuracies(0.9, None, None).score(0.2) == pytest.approx(0.72)


@pytest.fixture
def report(given: Callable[..., Given], make_submission: Callable[..., Submission], tmp_path: Path) -> Report:
    some, made = given(0, 1), [make_submission(f"method_{name}", "return None") for name in "abcd"]
    trials = []
    for item, retain in zip(made, (0.7, 0.8), strict=False):
        file = tmp_path / f"{item.name}.safetensors"
        save({"layer.weight": torch.tensor([retain])}, file)
        result = replace(says(some, at3=(2, 0.8)), accuracies=Accuracies(retain, 0.0, None))
        trials.append(Trial(item, result, None, file, 1.0, result.accuracies.score(0.2)))
    trials.append(Trial(made[2], None, "raised: ValueError: <b>no</b>", None, 0.1))
    model = Model(ModelSpec("resnet9", 1.0, 1.0, 3, 3, 16), None, "resnet9, trained here")
    choice = Choice(tuple(made), "You named the methods.", {"rem": "it adds channels"})
    return Report(some, model, Budget(10, 16, 0.01), SGD, says(some), choice, tuple(trials))


def test_the_best_has_the_highest_score_and_the_first_of_equals(report: Report) -> None:
    first, second, failed = report.trials
    assert best(report.trials) is second
    assert best([first, replace(second, score=first.score), failed]) is first
    assert best([failed]) is None
    assert best([]) is None


def test_all_files_are_written_and_say_what_is_missing(report: Report, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(report, out)
    assert not list(out.glob(".*.part"))
    with safe_open(out / "weights.safetensors", "pt") as file:
        assert file.get_tensor("layer.weight").item() == pytest.approx(0.8)
        assert file.metadata()["method"] == "method_b"
        assert json.loads(file.metadata()["classes"]) == ["ant", "bee", "cow"]
    assert pd.read_csv(out / "suspects.csv")[["rank", "file", "change"]].iloc[0].tolist()[:2] == [1, "train/ant/03.png"]
    text = (out / "report.md").read_text()
    assert "| D_r | 90.0 | 80.0 |" in text
    assert "| held-out part of D_r | 80.0 | - |" in text
    assert "has not run yet" in text
    assert "left out: it adds channels" in text
    page = (out / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 1
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "<b>no</b>" not in page
    assert "http" not in page, "it loads nothing from elsewhere"
    for form in (page, text):
        assert "There is no truth in these numbers" in form
        assert "This is a choice without truth" in form


def test_without_a_finished_method_there_is_a_report_and_no_weights(report: Report, tmp_path: Path) -> None:
    write(report, tmp_path / "out")
    write(replace(report, trials=report.trials[2:]), tmp_path / "out")
    assert not (tmp_path / "out/weights.safetensors").exists()
    assert "No method has finished." in (tmp_path / "out/report.md").read_text()
    assert len(sheets(replace(report, trials=()))) == 2, "no suspects"


def test_what_should_make_a_reader_doubt_is_said(report: Report) -> None:
    def warned(*accuracies: float) -> list[str]:
        return replace(report, original=replace(report.original, accuracies=Accuracies(*accuracies))).warnings

    assert warned(0.9, 1.0, 0.9) == []
    assert "Are its classes those of the folders" in warned(0.2, 1.0, 0.2)[0]
    assert "It hardly learnt what is wrong with them" in warned(0.9, 0.5, 0.9)[0]
    assert "no method is better than leaving the model as it is" in warned(0.95, 0.1, 0.9)[-1]


def test_names_of_files_and_classes_are_text(folder: Path, report: Report, tmp_path: Path) -> None:
    (folder / "train/ant").rename(folder / "train/a<script>")
    (folder / "train/a<script>/03.png").rename(folder / "train/a<script>/=1+1 |`x.png")
    images = torch.zeros(60, 3, 16, 16, dtype=torch.uint8)
    renamed = replace(report, given=given_of(list_train(folder), images, report.given.found))
    position = renamed.given.folder.names.index("train/a<script>/=1+1 |`x.png")
    assert report.best is not None
    assert report.best.result is not None
    result = says(renamed.given, **{f"at{position}": (2, 0.8)})
    renamed = replace(renamed, original=says(renamed.given), trials=(replace(report.best, result=result),))
    assert "<script>" not in as_page(renamed)
    assert "a\\<script>/=1+1 \\|\\`x.png" in as_markdown(renamed)
