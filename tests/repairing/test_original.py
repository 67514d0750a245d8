"""Weights of any usual source are read without running code, and the architecture that they fit is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from unlearnbench.errors import UsageError
from unlearnbench.models import ModelSpec, build
from unlearnbench.repairing.original import Model, model_of, read_weights, recipe_of

CLASSES = ("ant", "bee", "cow")
SMALL = "shufflenet_v2_x0_5"


def saved(file: Path, content: Any) -> Path:
    torch.save(content, file)
    return file


def own(name: str = "resnet18", classes: int = 3, width: float = 1 / 16) -> Mapping[str, Tensor]:
    return build(ModelSpec(name, width, 1.0, classes, 3, 16)).state_dict()


def read(file: Path, name: str = "resnet18", **options: Any) -> Model:
    return model_of(name, file, CLASSES, 16, **{"width": 1 / 16, **options})


@pytest.mark.parametrize("form", ["plain", "state_dict", "model", "module.", "half", "safetensors"])
def test_weights_in_every_usual_form(tmp_path: Path, form: str) -> None:
    weights, file = dict(own()), tmp_path / "mine.pt"
    if form == "safetensors":
        file = tmp_path / "mine.safetensors"
        save_file(weights, file)
    elif form == "module.":
        saved(file, {f"module.{name}": tensor for name, tensor in weights.items()})
    elif form == "half":
        saved(file, {name: tensor.half() for name, tensor in weights.items() if "num_batches" not in name})
    else:
        saved(file, weights if form == "plain" else {form: weights, "epoch": 3})
    found = read(file)
    assert found.weights is not None
    assert found.weights.keys() == weights.keys()
    for name, tensor in weights.items():
        assert found.weights[name].dtype == tensor.dtype
        torch.testing.assert_close(found.weights[name], tensor, atol=1e-3, rtol=1e-3)
    assert (found.spec.architecture, found.image_size, found.expandable) == ("resnet18", None, True)
    assert found.exported(found.weights) == found.weights


def test_the_stem_tells_torchvision_s_resnet18_from_the_one_for_small_images(tmp_path: Path) -> None:
    theirs = models.resnet18(num_classes=3).state_dict()
    found = read(saved(tmp_path / "theirs.pt", theirs))
    assert (found.spec.architecture, found.image_size, found.expandable) == ("torchvision:resnet18", 224, False)
    assert found.mean == (0.485, 0.456, 0.406)
    assert found.weights is not None
    assert found.exported(found.weights).keys() == theirs.keys()
    other = read(saved(tmp_path / "own.pt", own(width=1.0)), width=1.0)
    assert other.spec.architecture == "resnet18"


@pytest.mark.parametrize(("name", "side", "reason"), [("alexnet", 32, "Output size is too small"), ("vit", 20, "of 8")])
def test_a_size_that_the_model_does_not_take_is_one_sentence(tmp_path: Path, name: str, side: int, reason: str) -> None:
    theirs = (
        None if name == "vit" else saved(tmp_path / "theirs.pt", models.get_model(name, num_classes=3).state_dict())
    )
    with pytest.raises(UsageError, match=reason) as refused:
        model_of(name, theirs, CLASSES, 64, image_size=side)
    assert "\n" not in str(refused.value)


def test_torchvision_s_model_computes_what_torchvision_does(tmp_path: Path) -> None:
    theirs = models.get_model(SMALL, num_classes=3).eval()
    found = read(
        saved(tmp_path / "theirs.pt", theirs.state_dict()), SMALL, image_size=32, mean=(0.5,) * 3, std=(1,) * 3
    )
    assert (found.spec.image_size, found.image_size, found.mean) == (32, 32, (0.5,) * 3)
    assert found.weights is not None
    model, images = build(found.spec).eval(), torch.randn(2, 3, 32, 32)
    model.load_state_dict(found.weights)
    with torch.no_grad():
        torch.testing.assert_close(model(images), theirs(images))
    assert isinstance(model.head, nn.Linear)
    with pytest.raises(UsageError, match=f"torchvision's {SMALL} cannot be expanded"):
        model.expanded()


def test_heads_beside_the_last_are_dropped_in_training() -> None:
    model = build(ModelSpec("torchvision:googlenet", 1.0, 1.0, 3, 3, 64)).train()
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 3)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("ran",))


WRONG: dict[str, tuple[Any, str]] = {
    "classes": (own(classes=5), r"tell 5 classes apart, and the folder has 3 \(ant, bee, cow\)"),
    "another model": (own("resnet9"), "do not fit resnet18: not the original's architecture"),
    "another width": (own(width=1 / 8), r"not fit resnet18: 'conv1.weight' is torch.float32 \(8, 3, 3, 3\) instead of"),
    "nan": (dict(own()) | {"bn1.bias": torch.full((4,), torch.nan)}, "'bn1.bias' has values that are not finite"),
    "no tensors": ({"epoch": 3}, "are no dictionary of tensors"),
    "code": ({"model": Evil()}, "hold more than tensors"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_weights_that_do_not_fit_are_one_sentence(
    tmp_path: Path, wrong: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content, words = WRONG[wrong]
    with pytest.raises(UsageError, match=words) as caught:
        read(saved(tmp_path / "mine.pt", content))
    assert "\n" not in str(caught.value)
    assert "ran" not in capfd.readouterr().out


@pytest.mark.parametrize("name", ["mine.pt", "mine.safetensors"])
def test_a_file_that_is_no_weights(tmp_path: Path, name: str) -> None:
    for content in (None, b"", b"x" * 100):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=rf"weights .*{name} (cannot be read|hold more)"):
            read_weights(tmp_path / name)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="are no dictionary of tensors"):
        read_weights(saved(tmp_path / "mine.pt", {0: torch.zeros(1)}))
    (tmp_path / "mine.pth").write_text("epoch 1\n")
    with pytest.raises(UsageError, match=r"mine.pth (cannot be read \(\w+: |hold more)"):
        read_weights(tmp_path / "mine.pth")


def test_what_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown model 'resnet10': did you mean 'resnet1"):
        model_of("resnet10", None, CLASSES, 16)
    with pytest.raises(UsageError, match=r"torchvision's resnet50 needs its --weights; without, one of resnet9"):
        model_of("resnet50", None, CLASSES, 16)
    with pytest.raises(UsageError, match="squeezenet1_1 does not end in a linear layer"):
        read(saved(tmp_path / "mine.pt", own()), "squeezenet1_1")
    with pytest.raises(UsageError, match="images of 8x8 pixels are too small: give --image-size, 16"):
        model_of("resnet9", None, CLASSES, 8)
    with pytest.raises(UsageError, match="give --mean and --std"):
        model_of("resnet9", None, CLASSES, 16, mean=(0.5, 0.5, 0.5))


def test_no_pass_ends_with_a_batch_of_one() -> None:
    for samples in (40, 129, 641, 1281, 50_000):
        for found in (1, 7, 17, 33):
            sizes = (samples, samples - samples // 10, samples - samples // 10 - found, found)
            recipe, budget = recipe_of("resnet9", sizes)
            assert budget.batch_size == recipe.batch_size <= 64
            assert all(size % recipe.batch_size != 1 for size in sizes if size > 1)
            assert recipe.steps == 4 * budget.steps >= 20 * samples // recipe.batch_size
    assert recipe_of("vit-small", (100, 90, 80))[0].optimizer == "adam"
