"""The words of published code, `fc`, `blocks` and `features`, fit every architecture and add no weights."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from unlearnbench import Classifier
from unlearnbench.errors import UsageError
from unlearnbench.models import ModelSpec, build

IMAGES = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(1))
BLOCKS = {"resnet9": 6, "vit": 4, "vit-small": 6}
HEADS = {"resnet9": "linear", "vit": "linear", "vit-small": "vit.heads.head"}
EACH = pytest.mark.parametrize("architecture", BLOCKS)


def model_of(architecture: str) -> Classifier:
    torch.manual_seed(0)
    return build(ModelSpec(architecture, classes=3, channels=1, image_size=16, width=1 / 16, capacity=1.0)).eval()


def like(head: nn.Linear) -> nn.Linear:
    return nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)


@EACH
def test_the_head_of_the_features_gives_the_logits(architecture: str) -> None:
    model = model_of(architecture)
    features = model.features(IMAGES)
    assert features.shape == (4, model.fc.in_features)
    assert features.requires_grad
    assert model.fc is model.head
    torch.testing.assert_close(model.fc(features), model(IMAGES))
    assert model(IMAGES).shape == (4, 3), "the hook is gone"


@EACH
def test_the_blocks_hold_nearly_all_weights_and_never_the_head(architecture: str) -> None:
    model = model_of(architecture)
    assert len(model.blocks) == BLOCKS[architecture]
    inside = {id(parameter) for block in model.blocks for parameter in block.parameters()}
    assert id(model.head.weight) not in inside
    assert {id(parameter) for parameter in model.parameters()} >= inside
    assert len(inside) > 0.7 * len(list(model.parameters()))


@EACH
def test_the_words_add_no_weights_and_no_modules(architecture: str) -> None:
    model = model_of(architecture)
    names, modules = list(model.state_dict()), list(dict(model.named_modules()))
    assert hasattr(model, "fc")
    assert hasattr(model, "features")
    assert (list(model.state_dict()), list(dict(model.named_modules()))) == (names, modules)
    assert not any(name.split(".")[0] in ("fc", "features") for name in names)
    assert HEADS[architecture] + ".weight" in names
    with pytest.raises(AttributeError, match="no attribute 'classifier'"):
        _ = model.classifier


@EACH
@pytest.mark.parametrize("word", ["fc", "head"])
def test_a_new_head_takes_the_place_of_the_old_one(architecture: str, word: str) -> None:
    model = model_of(architecture)
    names, before = list(model.state_dict()), model(IMAGES)
    new = like(model.fc)
    setattr(model, word, new)
    assert model.head is model.fc is new is model.get_submodule(HEADS[architecture])
    assert list(model.state_dict()) == names
    assert not torch.allclose(model(IMAGES), before)


@EACH
def test_a_head_of_another_form_is_refused(architecture: str) -> None:
    model = model_of(architecture)
    head = model.fc
    with pytest.raises(UsageError, match=r"the new fc must have the form of the old one: Linear\(in_features="):
        model.fc = nn.Linear(head.in_features, head.out_features, bias=head.bias is None)
    with pytest.raises(UsageError, match=r"call model\.features\(images\) instead of replacing fc"):
        model.fc = nn.Identity()  # type: ignore[assignment]
    assert model.fc is head


@EACH
def test_a_copy_has_words_of_its_own(architecture: str) -> None:
    model = model_of(architecture)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.fc is not model.fc
        nn.init.zeros_(other.fc.weight)
        nn.init.zeros_(next(other.blocks[0].parameters()))
        assert dict(other.named_parameters())[HEADS[architecture] + ".weight"].abs().sum() == 0
        assert sum(not parameter.any() for parameter in other.blocks[0].parameters()) > 0
        assert any(next(other.blocks[0].parameters()) is parameter for parameter in other.parameters())
    assert model.fc.weight.all()


class Own(Classifier):
    """An architecture that uses the words itself, as VGG does."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = ()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(256, 8))
        self.fc = nn.Linear(8, 3)

    def forward(self, images: Tensor, gates: Sequence[Tensor] | None = None) -> Tensor:
        logits: Tensor = self.fc(self.features(images))
        return logits

    def widened(self, shared: float = 0.5) -> Own:
        return Own()


def test_the_layers_of_an_architecture_come_before_the_words() -> None:
    model = Own()
    assert list(model.state_dict()) == ["features.1.weight", "features.1.bias", "fc.weight", "fc.bias"]
    assert isinstance(model.features, nn.Sequential)
    assert model.head is model.fc
    assert model(IMAGES).shape == (4, 3)
    assert list(model.blocks) == [model.features]
    model.fc = new = nn.Linear(8, 3)
    assert model.head is new
