"""The template passes as it is, and a submission that does not work is told exactly why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.submissions.finding import Submission, read, read_one
from unlearnbench.submissions.template import start
from unlearnbench.verify.validate import validate


def test_the_template_passes_unchanged(tmp_path: Path) -> None:
    folder = start("my_method", tmp_path)
    (check,) = validate(folder, originals=tmp_path / "originals")
    assert check.ok, check.reason
    assert len(list((tmp_path / "originals").glob("*.safetensors"))) == 5, "one of each problem is kept"
    assert check.label == "my_method"
    assert check.seconds > 0
    assert sorted(file.name for file in folder.iterdir()) == ["method.py", "submission.toml"]


def test_the_name_is_filled_in_everywhere(tmp_path: Path) -> None:
    (submission,) = read(start("gentle_ascent2", tmp_path))
    assert (submission.name, submission.title) == ("gentle_ascent2", "Gentle ascent2")
    assert submission.entry == "method:GentleAscent2"
    for file in (tmp_path / "gentle_ascent2").iterdir():
        assert not any(word in file.read_text() for word in ("new_method", "NewMethod", "New method"))


@pytest.mark.parametrize("name", ["none", "problem", "unlearning_method", "new_method", "a__b", "x_"])
def test_names_that_could_break_the_code_do_not(name: str, tmp_path: Path) -> None:
    (submission,) = read(start(name, tmp_path))
    code = (tmp_path / name / "method.py").read_text()
    scope: dict[str, object] = {"__name__": "method"}
    exec(compile(code.replace("@dataclass(frozen=True)", ""), "method.py", "exec"), scope)
    assert isinstance(scope[submission.entry.split(":")[1]], type)


def test_each_variant_is_told_why_it_failed(tmp_path: Path) -> None:
    folder = start("mine", tmp_path)
    with (folder / "submission.toml").open("a") as file:
        file.write("\n[variants.typo]\nraet = 1.0\n\n[variants.wild]\nrate = 1e30\n")
    checks = {check.label: check for check in validate(folder)}
    assert list(checks) == ["mine", "mine/typo", "mine/wild"]
    assert checks["mine"].ok
    assert "unexpected keyword argument 'raet'" in str(checks["mine/typo"].reason)
    assert "invalid weights" in str(checks["mine/wild"].reason)


def test_an_installed_method_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = start("installed_one", tmp_path)
    (package / "submission.toml").unlink()
    (package / "__init__.py").touch()
    information = tmp_path / "installed_one-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-one\nVersion: 1.0\n")
    entry = "[unlearnbench.methods]\ninstalled = installed_one.method:InstalledOne\n"
    (information / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    (submission,) = read_one("installed")
    assert (submission.name, submission.distribution, submission.folder) == ("installed", "installed-one", None)


def test_a_folder_that_is_no_submission_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no submission\.toml"):
        validate(tmp_path)


def test_colour_images_and_a_transformer_are_among_the_problems(make_submission: Callable[..., Submission]) -> None:
    grey = make_submission("wants_grey", "assert problem.train.images.shape[1] == 1\nreturn problem.original()")
    norms = "any('Norm2d' in str(module) for module in problem.original().modules())"
    batchnorm = make_submission("wants_batchnorm", f"assert {norms}\nreturn problem.original()")
    reasons = []
    for submission in (grey, batchnorm):
        assert submission.folder is not None
        (check,) = validate(submission.folder)
        reasons.append(str(check.reason).splitlines()[0])
    assert reasons == [
        "raised: AssertionError (on poison-trigger, digits-colour, resnet9)",
        "raised: AssertionError (on random-swap, digits, vit)",
    ]
