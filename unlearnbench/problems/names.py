"""The harness's own corruptions and data sets, by name. `problems.registry` has the architectures."""

from __future__ import annotations

from unlearnbench.problems.registry import Registry

CORRUPTIONS = Registry(
    "corruption",
    "unlearnbench.corruptions",
    {
        "random-swap": "unlearnbench.problems.corruption:RandomSwap",
        "class-swap": "unlearnbench.problems.corruption:ClassSwap",
        "poison-trigger": "unlearnbench.problems.corruption:PoisonTrigger",
    },
)
DATASETS = Registry(
    "data set",
    "unlearnbench.datasets",
    {
        "digits": "unlearnbench.problems.datasets:load_digits",
        "digits-colour": "unlearnbench.problems.datasets:load_digits_colour",
        "cifar10": "unlearnbench.problems.datasets:load_cifar10",
        "svhn": "unlearnbench.problems.datasets:load_svhn",
        "fashion-mnist": "unlearnbench.problems.datasets:load_fashion_mnist",
        "imagenette": "unlearnbench.problems.datasets:load_imagenette",
    },
)
