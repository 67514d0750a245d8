"""The harness's own corruptions and data sets, by name, and what records call data sets. `problems.registry` has the
architectures.
"""

from __future__ import annotations

import os

from unlearnbench.problems.registry import Registry

CORRUPTIONS = Registry(
    "corruption",
    "unlearnbench.corruptions",
    {
        "random-swap": "unlearnbench.problems.corruptions.labels:RandomSwap",
        "instance-swap": "unlearnbench.problems.corruptions.labels:InstanceSwap",
        "class-swap": "unlearnbench.problems.corruptions.labels:ClassSwap",
        "one-way-swap": "unlearnbench.problems.corruptions.labels:OneWaySwap",
        "mislabelled-cluster": "unlearnbench.problems.corruptions.labels:MislabelledCluster",
        "given": "unlearnbench.problems.corruptions.given:Given",
        "poison-trigger": "unlearnbench.problems.corruptions.triggers:PoisonTrigger",
        "blended-trigger": "unlearnbench.problems.corruptions.triggers:BlendedTrigger",
        "sinusoidal-trigger": "unlearnbench.problems.corruptions.triggers:SinusoidalTrigger",
        "warped-trigger": "unlearnbench.problems.corruptions.triggers:WarpedTrigger",
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
FOLDER = "imagefolder:"


def table_name(label_table: str) -> str:
    """What keys and records call the table of labels of a suite: its file's name, wherever it lies."""
    return os.path.basename(label_table)


def data_name(dataset: str) -> str:
    """What keys, records and reports call the data set of a suite.

    Of `imagefolder:PATH`, the name of the folder alone: however its path is written, it is one data set, and where it
    lies is nobody's business. What is in it is told by its fingerprint.
    """
    if not dataset.startswith(FOLDER):
        return dataset
    path = os.path.abspath(os.path.expanduser(dataset.removeprefix(FOLDER)))
    return f"{FOLDER}{os.path.basename(path)}"
