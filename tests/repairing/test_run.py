"""A repair as a whole: it goes on where it was stopped, takes torchvision's models, and fails honestly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torchvision import models

import unlearnbench
from tests.repairing.planted import Planted, digits_of, plant
from tests.submission import NOTHING, TUNE
from unlearnbench.cli import main
from unlearnbench.errors import UsageError
from unlearnbench.problems.corruptions.labels import RandomSwap
from unlearnbench.problems.tensors import lock
from unlearnbench.running.run import Progress
from unlearnbench.submissions.finding import Submission

SMALL: dict[str, Any] = {"model": "resnet9", "width": 0.05}


@pytest.fixture
def bad(folder: Path) -> Path:
    file = folder.parent / "bad.txt"
    file.write_text("ant/00.png\n")
    return file


def test_what_has_finished_is_kept_when_it_is_stopped(
    folder: Path, bad: Path, tmp_path: Path, make_submission: Callable[..., Submission]
) -> None:
    out, data = tmp_path / "out", tmp_path / "data"
    names = [
        make_submission(name, body).name for name, body in (("first", TUNE), ("second", "1 / 0"), ("third", NOTHING))
    ]
    states = list[Progress]()

    def stop(state: Progress) -> None:
        states.append(state)
        if state.stage == "third":
            raise KeyboardInterrupt

    options: dict[str, Any] = {"methods": names, "data": data, "submissions": tmp_path / "submissions", **SMALL}
    with pytest.raises(KeyboardInterrupt):
        unlearnbench.repair(folder, bad, out, watch=stop, **options)
    assert [(state.done, state.failed) for state in states if state.stage in names] == [(1, 0), (2, 0), (3, 1)]
    assert states[-1].total == 4, "the original and three methods"
    assert "third | | | | | | | has not run yet" in " ".join((out / "report.md").read_text().split())
    weights = load_file(out / "weights.safetensors")

    again = unlearnbench.repair(folder, bad, out, **options)
    one, two, three = again.trials
    assert one.seconds is None, "it was not run again"
    assert two.reason == "raised: ZeroDivisionError: division by zero"
    assert three.seconds is not None
    assert again.best is one, "the original forgets nothing"
    assert all(torch.equal(weights[name], tensor) for name, tensor in load_file(out / "weights.safetensors").items())
    (original,) = (data / "originals").glob("*.safetensors")
    before = original.stat().st_mtime_ns

    bad.write_text("ant/00.png\nbee/00.png\n")
    other = unlearnbench.repair(folder, bad, out, **{**options, "methods": names[:1]})
    assert other.trials[0].seconds is not None, "another list is another problem"
    assert original.stat().st_mtime_ns == before, "and the same original"
    assert len(list((data / "originals").glob("*.safetensors"))) == 1


def test_a_report_never_says_less_than_the_one_before(
    folder: Path, bad: Path, tmp_path: Path, make_submission: Callable[..., Submission]
) -> None:
    for name, body in (("first", TUNE), ("second", NOTHING)):
        make_submission(name, body)
    options: dict[str, Any] = {"data": tmp_path / "data", "submissions": tmp_path / "submissions", **SMALL}
    unlearnbench.repair(folder, bad, tmp_path / "out", methods=["second"], **options)

    def stop(state: Progress) -> None:
        if state.stage == "first":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unlearnbench.repair(folder, bad, tmp_path / "out", methods=["first", "second"], watch=stop, **options)
    text = (tmp_path / "out/report.md").read_text()
    assert "Taken: second" in text
    assert "first | | | | | | | has not run yet" in " ".join(text.split())
    assert (tmp_path / "out/weights.safetensors").exists()


def test_a_method_without_a_forget_set_runs_again_when_other_samples_are_held_out(
    folder: Path, bad: Path, tmp_path: Path, make_submission: Callable[..., Submission]
) -> None:
    made = make_submission("blind", "return problem.original()")
    manifest = tmp_path / "submissions/blind/submission.toml"
    manifest.write_text(manifest.read_text().replace("[needs]", "[needs]\nforget_set = false"))
    options: dict[str, Any] = {"data": tmp_path / "data", "submissions": tmp_path / "submissions", **SMALL}
    first = unlearnbench.repair(folder, None, tmp_path / "out", methods=[made.name], **options)
    bad.write_text(first.given.folder.names[first.given.held_out[0]])
    second = unlearnbench.repair(folder, bad, tmp_path / "out", methods=[made.name], **options)
    assert second.given.held_out.tolist() != first.given.held_out.tolist()
    assert second.trials[0].seconds is not None


def test_weights_of_torchvision_come_back_under_their_names(folder: Path, bad: Path, tmp_path: Path) -> None:
    model = models.get_model("shufflenet_v2_x0_5", num_classes=3)
    torch.save(model.state_dict(), tmp_path / "mine.pt")
    options: dict[str, Any] = {
        "model": "shufflenet_v2_x0_5",
        "weights": tmp_path / "mine.pt",
        "image_size": 48,
        "data": tmp_path,
    }
    with pytest.raises(UsageError, match="method 'rem' cannot run here: it adds channels to the model"):
        unlearnbench.repair(folder, bad, tmp_path / "out", methods=["rem"], **options)
    report = unlearnbench.repair(folder, bad, tmp_path / "out", methods=["npo", "finetune"], **options)
    assert [trial.reason for trial in report.trials] == [None, None]
    assert report.given.images.shape == (60, 3, 48, 48)
    assert "Are its classes those of the folders" in report.warnings[0], "it was never trained"
    model.load_state_dict(load_file(tmp_path / "out/weights.safetensors"))


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """240 digits of which 24 have random labels; 8 of them were found."""
    images, labels = digits_of(240)
    return plant(tmp_path / "digits", images, labels, 10, RandomSwap(), 24, 8)


def test_random_labels_are_not_found_by_what_was_found(planted: Planted, tmp_path: Path) -> None:
    """The honest failure: NPO forgets what was listed, and what was not stays as it was."""
    report = unlearnbench.repair(
        planted.folder,
        planted.list,
        tmp_path / "out",
        methods=["npo"],
        data=tmp_path,
        model="resnet9",
        width=0.125,
    )
    assert report.best is not None
    assert report.best.result is not None
    assert report.original.accuracies.forget == 1.0, "the model learnt them"
    forgotten = report.best.result.accuracies.forget
    assert forgotten is not None
    print(forgotten, planted.healed(report, planted.undiscovered), planted.precision(report), len(report.suspects))
    assert forgotten < 0.8
    assert planted.healed(report, planted.undiscovered) < 0.5
    assert planted.precision(report) < 0.5
    text = (tmp_path / "out/report.md").read_text()
    assert "If labels are wrong at random, what was found says little about the rest" in text


def test_two_repairs_do_not_write_to_one_folder(folder: Path, bad: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with lock(tmp_path / "out/.repair"), pytest.raises(UsageError, match=r"another repair is writing to .*out: wait"):
        unlearnbench.repair(folder, bad, tmp_path / "out", data=tmp_path, **SMALL)


@pytest.mark.parametrize("name", ["weights.safetensors", "suspects.csv"])
def test_what_was_given_is_not_overwritten(folder: Path, bad: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    found, weights = (bad, out / name) if name.startswith("weights") else (out / name, None)
    with pytest.raises(UsageError, match=rf"{name} would be overwritten by the results of this repair: choose another"):
        unlearnbench.repair(folder, found, out, data=tmp_path, **SMALL | {"weights": weights})
    assert (out / name).read_text() == "mine"


def test_what_it_did_not_write_is_not_overwritten(folder: Path, bad: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").write_text("mine")
    with pytest.raises(UsageError, match=r"report.md is not of an earlier repair, and would be overwritten"):
        unlearnbench.repair(folder, bad, out, data=tmp_path, **SMALL)
    assert (out / "report.md").read_text() == "mine"
    with pytest.raises(UsageError, match="is among the images, and would be read as one of their classes"):
        unlearnbench.repair(folder, bad, folder / "train/repaired", data=tmp_path, **SMALL)
    assert not (folder / "train/repaired").exists()


WRONG = {
    "size": (["--model", "resnet9", "--image-size", "1000000"], "give another --image-size"),
    "found": (["--found", "{bad}", "--model", "resnet9"], "line 1: 'emu/1.png' is not an image in"),
    "folder": (["--model", "resnet9"], "has no folder 'train'"),
    "mean": (["--mean", "0.5,x"], "--mean takes three numbers of at least 0, such as 0.49,0.48,0.45, not '0.5,x'"),
    "std": (["--mean", "0,0,0", "--std", "0.2,0,0.2"], "--std takes numbers above 0, not 0.2,0,0.2"),
    "method": (["--method", "npo", "--model", "resnet9"], "it needs found samples"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_is_one_sentence_and_exit_code_2(
    folder: Path, bad: Path, tmp_path: Path, wrong: str, capfd: pytest.CaptureFixture[str]
) -> None:
    options, words = WRONG[wrong]
    bad.write_text("emu/1.png\n")
    place = folder / "train" if wrong == "folder" else folder
    options = [option.format(bad=bad) for option in options]
    with pytest.raises(SystemExit) as ended:
        main(["repair", str(place), "--data", str(tmp_path), "--out", str(tmp_path / "out"), *options])
    said = capfd.readouterr()
    assert ended.value.code == 2
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not (tmp_path / "out").exists()


def test_without_a_finished_method_the_exit_code_is_1(
    folder: Path, tmp_path: Path, make_submission: Callable[..., Submission], capfd: pytest.CaptureFixture[str]
) -> None:
    make_submission("raises", "raise ValueError('no')")
    (tmp_path / "bad.txt").write_text("cow/19.png")
    words = f"repair {folder} --found {tmp_path}/bad.txt --out {tmp_path}/out --data {tmp_path} --width 0.05"
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "--model", "resnet9", "--method", "raises", "--submissions", f"{tmp_path}/submissions"])
    assert ended.value.code == 1
    said = capfd.readouterr()
    assert "no method finished" in said.err
    assert "failed: raised: ValueError: no" in said.out
    assert np.array_equal(
        sorted(file.name for file in (tmp_path / "out").iterdir()),
        sorted([".repair.lock", "report.html", "report.md", "suspects.csv", "trials"]),
    )
