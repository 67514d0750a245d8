"""Secret seeds of an audited board.

Which samples are corrupted follows from a seed, and the seeds of a suite are public. An audited board draws its
problems from secret seeds instead. They stand in one file, and nowhere else: suite, store and reports number them 1, 2,
3 and name the *commitment*, the SHA-256 of the file. Whoever publishes the file opens the board: anyone can then check
the commitment and repeat the records.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import Ge, Len
from pydantic import StringConstraints

from unlearnbench.errors import UsageError
from unlearnbench.problems import specification
from unlearnbench.problems.suite import Suite

LEAST = 2**48
"""A trial sees its training set and could try all smaller seeds."""


@dataclass(frozen=True)
class _File:
    """The salt keeps anyone from guessing the file, and so the seeds, by their commitment."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    seeds: Annotated[tuple[Annotated[int, Ge(LEAST)], ...], Len(1)]


def called(suite: Suite) -> list[str]:
    """What commands call a suite that they run: an audited one takes the suite that it was drawn for, and its seeds."""
    if suite.commitment is None:
        return [suite.name]
    return [suite.name.removesuffix(_suffix(suite.commitment)), "--seeds-from", "FILE"]


def _suffix(commitment: str) -> str:
    return f"-audited-{commitment[:8]}"


@dataclass(frozen=True)
class SecretSeeds:
    """The seeds of a file, and its SHA-256."""

    file: Path
    commitment: str
    seeds: tuple[int, ...] = field(repr=False)

    @property
    def suffix(self) -> str:
        """What the name of an audited suite ends with."""
        return _suffix(self.commitment)

    def seed(self, number: int) -> int:
        """The secret seed with this number, from 1.

        Raises:
            UsageError: there is none.
        """
        if not 1 <= number <= len(self.seeds):
            raise UsageError(f"there is no secret seed {number}: the file has {len(self.seeds)}")
        return self.seeds[number - 1]

    def of(self, suite: Suite) -> Suite:
        """The audited suite with these seeds: the settings of an open one under a name of its own.

        Raises:
            UsageError: its name would be too long.
        """
        audited = replace(
            suite,
            name=f"{suite.name}{self.suffix}",
            title=f"{suite.title}, audited",
            seeds=tuple(range(1, len(self.seeds) + 1)),
            commitment=self.commitment,
        )
        table = json.loads(json.dumps(asdict(audited)))  # tables have lists, not tuples
        return specification.validated(Suite, table, f"suite '{suite.name}' with secret seeds")

    def check(self, suite: Suite) -> None:
        """Check that an audited suite was drawn from these seeds.

        Raises:
            UsageError: it has another commitment, or is not audited.
        """
        if suite.commitment != self.commitment:
            other = f"its commitment is {suite.commitment}" if suite.commitment else "it has public seeds"
            raise UsageError(
                f"suite '{suite.name}' was not drawn from these secret seeds (commitment {self.commitment}): {other}"
            )


def read(file: Path) -> SecretSeeds:
    """Read a file of secret seeds.

    Raises:
        UsageError: it is unreadable or invalid, or a seed is too small or listed twice.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    seeds = specification.validated(_File, specification.parsed(content, str(file)), str(file)).seeds
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"{file}: key 'seeds' has a seed twice")
    return SecretSeeds(file, hashlib.sha256(content).hexdigest(), seeds)


def draw(file: Path, count: int) -> SecretSeeds:
    """Draw secret seeds of 62 random bits, and write them to a new file that only its owner can read.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    lines = [
        "# Secret seeds of an audited board of unlearnbench. Keep this file, as it is, to open the board later.",
        f'salt = "{secrets.token_hex(32)}"',
        "seeds = [",
        *(f"    {2**62 + secrets.randbits(62)}," for _ in range(count)),
        "]",
    ]
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} already exists: choose another file, since its seeds may be in use") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    try:
        with open(descriptor, "w", encoding="ascii") as opened:
            opened.write("\n".join(lines) + "\n")
    except OSError as error:
        file.unlink()
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    return read(file)
