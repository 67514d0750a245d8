"""What a suite names and an installed package can add: corruptions, data sets and architectures (docs/extending.md).

The harness's own are listed by the place of their code, the others are entry points. Nothing is imported before it is
used. Corruptions and data sets are listed in `problems.names`, which no trial imports: there, the name of its
corruption would be among few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from unlearnbench.errors import UsageError, unknown

LONGEST = 40
"""Characters of the longest name that a store has room for."""


@dataclass(frozen=True)
class Registry:
    """Named code of one kind.

    Attributes:
        noun: what it is called in messages.
        group: the entry-point group of installed packages.
        own: the harness's own, `module:object` by name.
    """

    noun: str
    group: str
    own: dict[str, str]

    def names(self) -> list[str]:
        """The harness's own names, then those of installed packages in alphabetical order.

        Raises:
            UsageError: two packages offer the same name, or one offers a name of the harness.
        """
        installed = [point.name for point in _installed(self.group)]
        names = [*self.own, *sorted(installed)]
        for name in installed:
            if names.count(name) > 1:
                raise UsageError(f"two {self.noun}s are called '{name}': uninstall one of their packages")
        return names

    def find(self, name: str) -> Any:
        """Import what has this name.

        Raises:
            UsageError: the name is unknown, or its package cannot be imported.
        """
        if name in self.own:
            return EntryPoint(name, self.own[name], self.group).load()
        if name not in self.names():
            raise UsageError(unknown(self.noun, name, self.names()))
        (point,) = (point for point in _installed(self.group) if point.name == name)
        try:
            return point.load()
        except Exception as error:  # the code of a package may raise anything
            raise UsageError(f"installed {self.noun} '{name}' ({point.value}) cannot be imported: {error}") from error

    def known(self, name: str) -> str:
        """A validator of pydantic for settings that hold a name."""
        if name not in self.own and name not in (names := self.names()):
            from pydantic_core import PydanticKnownError  # trials look architectures up, and need no pydantic

            raise PydanticKnownError("literal_error", {"expected": ", ".join(f"'{known}'" for known in names)})
        return name

    def known_row(self, name: str) -> str:
        """The same for NAME/VARIANT, where a variant is a row of its own with other parameters."""
        kind, slash, variant = name.partition("/")
        self.known(kind)
        if slash and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", variant):
            raise ValueError("what follows the slash must be lower-case letters, digits, dots and hyphens")
        if len(name) > LONGEST:
            raise ValueError(f"must have at most {LONGEST} characters")
        return name


@cache
def _installed(group: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


ARCHITECTURES = Registry(
    "architecture",
    "unlearnbench.architectures",
    {
        "resnet9": "unlearnbench.models.resnet9:resnet9",
        "resnet18": "unlearnbench.models.resnet18:ResNet18",
        "vit": "unlearnbench.models.vit:ViT",
        "vit-small": "unlearnbench.models.vit_small:ViTSmall",
    },
)
