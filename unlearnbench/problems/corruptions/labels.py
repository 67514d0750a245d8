"""Wrong labels on clean images, from no common rule to one for half a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

from unlearnbench.contract.recipe import Count
from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import CleanSet, Corruption, Images, Indices, Labels, Mask, choose
from unlearnbench.problems.corruptions.distances import class_means, nearest_others, squared_distances


@dataclass(frozen=True)
class RandomSwap(Corruption):
    """Give random samples a wrong label, drawn uniformly from the other classes."""

    title, regularity = "random label swap", "low"

    paper: bool = False

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        chosen = choose(np.arange(len(clean.labels)), count, random, "training samples")
        # The published code may draw a shift of zero, which leaves about 10% of the labels unchanged.
        shift = random.randint(0 if self.paper else 1, clean.classes, size=count)
        return chosen, (clean.labels[chosen] + shift) % clean.classes


@dataclass(frozen=True)
class ClassSwap(Corruption):
    """Swap the labels of two classes a and b: half of the samples are images of a labelled b, half the reverse."""

    title, regularity = "inter-class label swap", "medium"

    class_pair: tuple[int, int] = (3, 5)
    paper: bool = False

    def __post_init__(self) -> None:
        _check_pair(self.class_pair)

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        parts = []
        for cls, size in zip(self.class_pair, (count - count // 2, count // 2), strict=True):
            pool = np.flatnonzero(clean.labels == cls)
            chosen = choose(pool, size, random, f"training samples of class {cls}")
            parts.append(pool[:size] if self.paper else chosen)
        positions = np.concatenate(parts)
        return positions, self.corrupted_test(clean.images, clean.labels, clean)[positions]

    def corrupted_test(self, images: Images, labels: Labels, clean: CleanSet) -> Labels:
        a, b = self.class_pair
        return np.where(labels == a, b, np.where(labels == b, a, -1))

    def healed_test(self, images: Images, labels: Labels) -> Mask:
        mask: Mask = np.isin(labels, self.class_pair)
        return mask

    def utility_test(self, images: Images, labels: Labels) -> Mask:
        return ~self.healed_test(images, labels)


@dataclass(frozen=True)
class OneWaySwap(Corruption):
    """Give images of class a the label of class b. The amount is its strength: what share of the class is mislabelled.

    As "cat called dog" in noise by class of Patrini et al., "Making deep neural networks robust to label noise"
    (arXiv 1609.03683).
    """

    title, regularity = "one-way label swap", "medium"

    class_pair: tuple[int, int] = (3, 5)

    def __post_init__(self) -> None:
        _check_pair(self.class_pair)

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        a, b = self.class_pair
        chosen = choose(np.flatnonzero(clean.labels == a), count, random, f"training samples of class {a}")
        return chosen, np.full_like(chosen, b)

    def corrupted_test(self, images: Images, labels: Labels, clean: CleanSet) -> Labels:
        a, b = self.class_pair
        return np.where(labels == a, b, -1)

    def healed_test(self, images: Images, labels: Labels) -> Mask:
        return np.asarray(labels == self.class_pair[0])

    def utility_test(self, images: Images, labels: Labels) -> Mask:
        return ~self.healed_test(images, labels)


@dataclass(frozen=True)
class MislabelledCluster(Corruption):
    """Give groups of similar images of one class one wrong label each, as an annotator who mistakes a kind of image.

    Test images belong to no group, so they have no wrong label.

    Attributes:
        group: images of a group: a random image and its nearest neighbours in its class. The larger, the more regular.
    """

    title, regularity = "mislabelled clusters", "medium"

    group: Count = 12

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        positions, wrong = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        free = np.ones(len(clean.labels), dtype=np.bool_)
        for centre in random.permutation(len(clean.labels)):
            if not free[centre]:
                continue
            alike = np.flatnonzero(free & (clean.labels == clean.labels[centre]))
            distances = squared_distances(clean.images[alike], clean.images[centre : centre + 1])[:, 0]
            nearest = alike[np.argsort(distances, kind="stable")]
            members = nearest[: min(self.group, count - len(positions))]
            label = (clean.labels[centre] + random.randint(1, clean.classes)) % clean.classes
            positions = np.concatenate([positions, members])
            wrong = np.concatenate([wrong, np.full(len(members), label)])
            free[members] = False
            if len(positions) == count:
                break
        return positions, wrong


@dataclass(frozen=True)
class InstanceSwap(Corruption):
    """Give samples that look like another class the label of that class.

    A weak model, the mean image of each class, says which class an image resembles most besides its own. As noise that
    depends on the instance: Chen et al., "Beyond class-conditional assumption" (arXiv 2012.05458).

    Attributes:
        hardest_of: each sample is, of so many random ones, the one that resembles the other class most.
    """

    title, regularity = "instance-dependent label swap", "low"

    hardest_of: Count = 4

    def draw(self, clean: CleanSet, count: int, random: RandomState) -> tuple[Indices, Labels]:
        size = max(count, min(count * self.hardest_of, len(clean.labels)))
        order = random.permutation(choose(np.arange(len(clean.labels)), size, random, "training samples"))
        wrong, margin = nearest_others(clean.images[order], clean.labels[order], class_means(clean))
        groups = np.array_split(np.arange(len(order)), count)
        hardest = np.array([group[margin[group].argmin()] for group in groups])
        return order[hardest], wrong[hardest]

    def corrupted_test(self, images: Images, labels: Labels, clean: CleanSet) -> Labels:
        return nearest_others(images, labels, class_means(clean))[0]


def _check_pair(pair: tuple[int, int]) -> None:
    if pair[0] == pair[1]:
        raise UsageError("class_pair needs two different classes")
