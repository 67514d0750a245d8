"""Submissions as data: `submission.toml` is read without running any of the submission's code.

A folder with submission.toml and its module is a submission; so is an installed package with an entry point in the
group `unlearnbench.methods` whose name is the submission's and whose value is `package:Class`. A package may carry
its submission.toml beside the module; without one, the entry point's name and the class's defaults are used.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import StringConstraints

from unlearnbench.contract.recipe import STRICT
from unlearnbench.errors import UsageError
from unlearnbench.problems import specification
from unlearnbench.store.labels import method_label

GROUP = "unlearnbench.methods"
ABLATION = "ablation"
NAME = r"[a-z][a-z0-9_]*"
LARGEST = 2**18
"""Bytes of all files of a submission: enough for code, little for data that a method should not carry."""


@dataclass(frozen=True)
class Needs:
    __pydantic_config__ = STRICT

    corrupted_indices: bool = False
    tied_dropout: bool = False
    """Whether it stands on originals trained with tied dropout, whatever the suite's other methods stand on."""
    forget_set: bool = True
    """False for a method that looks at no forget set: it gets an empty one, and is run once on each original."""


@dataclass(frozen=True)
class Range:
    """What tuning may choose for a hyperparameter: one of `choices`, or a number from `low` to `high`.

    docs/protocol.md, section 5, says what tuning is.
    """

    __pydantic_config__ = STRICT

    choices: Annotated[tuple[int | float | str | bool | None, ...], Len(2)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False


@dataclass(frozen=True)
class Manifest:
    """The content of submission.toml."""

    __pydantic_config__ = STRICT

    name: Annotated[str, StringConstraints(pattern=rf"^{NAME}$", max_length=100)]
    title: Annotated[str, Len(1, 200)]
    authors: tuple[str, ...]
    paper: str
    license: Annotated[str, Len(1, 100)]
    entry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    code: Annotated[str, StringConstraints(pattern=rf"^{NAME}$")] | None = None
    """The submission beside this one whose folder holds the code, and, if this one has no variants, its variants."""
    role: Literal["ranked", "reference", "ablation"] = "ranked"
    """An ablation is run where a suite, or somebody, names it."""
    needs: Needs = field(default_factory=Needs)
    variants: Annotated[
        dict[Annotated[str, StringConstraints(pattern=rf"^{NAME}$", max_length=100)], dict[str, Any]], Len(1)
    ] = field(default_factory=lambda: {"default": {}})
    search: dict[str, Range] = field(default_factory=dict)


@dataclass(frozen=True)
class Submission:
    """One variant of a submission. `folder` holds the code; it is None for an installed package."""

    name: str
    variant: str
    title: str
    authors: tuple[str, ...]
    paper: str
    license: str
    entry: str
    role: str
    needs_corrupted_indices: bool
    needs_tied_dropout: bool
    needs_forget_set: bool
    hyperparameters: dict[str, Any]
    search: dict[str, Range]
    folder: Path | None
    source_hash: str

    @property
    def label(self) -> str:
        return method_label(self.name, self.variant)


def sources(folder: Path) -> list[Path]:
    """The files of a submission that are hashed, sorted; a trial gets to see these and no others."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in files if file.suffix not in (".pyc", ".md") and file.name != "submission.toml"]


def _check_files(folder: Path) -> None:
    """Refuse links, by which a submission could have files of others copied to it, and more than code takes."""
    for file in folder.rglob("*"):
        if file.is_symlink():
            raise UsageError(f"{file} is a symbolic link: a submission holds its own files, so copy what it points to")
    size = sum(file.stat().st_size for file in sources(folder))
    if size > LARGEST:
        raise UsageError(
            f"{folder} holds {-(-size // 2**10)} KiB, more than the {LARGEST // 2**10} KiB that a submission may have:"
            " remove what is not code"
        )


def source_hash(folder: Path) -> str:
    """SHA-256 of every source file's name and content; submission.toml is data and stored by itself."""
    digest = hashlib.sha256()
    for file in sources(folder):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read ({error.strerror}): make it readable, or remove it") from error
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _manifest(file: Path) -> Manifest:
    manifest = specification.read(Manifest, file)
    for key, values in manifest.search.items():
        ends = (values.low, values.high)
        if (values.choices is None) == (None in ends) and values.choices is None:
            raise UsageError(f"{file}: search.{key} needs `choices`, or both `low` and `high`")
        if values.choices is not None and ends != (None, None):
            raise UsageError(f"{file}: search.{key} has `choices` and an end of a range: give one or the other")
        if values.low is not None and values.high is not None and not values.low < values.high:
            raise UsageError(f"{file}: search.{key} needs low < high (got {values.low} and {values.high})")
        if values.log and not (values.low is not None and values.low > 0):
            raise UsageError(f"{file}: search.{key} needs low > 0 for a logarithmic range (got {values.low})")
    return manifest


def _variants(manifest: Manifest, entry: str, folder: Path | None, source: str) -> list[Submission]:
    return [
        Submission(
            name=manifest.name,
            variant=variant,
            title=manifest.title,
            authors=manifest.authors,
            paper=manifest.paper,
            license=manifest.license,
            entry=entry,
            # What was chosen with true labels is shown, but not ranked.
            role="reference" if manifest.needs.corrupted_indices or variant == "oracle" else manifest.role,
            needs_corrupted_indices=manifest.needs.corrupted_indices,
            needs_tied_dropout=manifest.needs.tied_dropout,
            needs_forget_set=manifest.needs.forget_set,
            hyperparameters=values,
            search=manifest.search,
            folder=folder,
            source_hash=source,
        )
        for variant, values in manifest.variants.items()
    ]


def read(folder: Path) -> list[Submission]:
    """All variants of the submission in this folder."""
    file = folder / "submission.toml"
    if not file.is_file():
        raise UsageError(f"{folder} holds no submission.toml: `unlearnbench new NAME` makes one to start from")
    manifest = _manifest(file)
    if manifest.name != folder.resolve().name:
        raise UsageError(f"{file}: name '{manifest.name}' differs from its folder '{folder.resolve().name}'")
    code = folder if manifest.code is None else folder.parent / manifest.code
    module = manifest.entry.split(":")[0].replace(".", "/")
    if not (code / f"{module}.py").is_file():
        raise UsageError(f"{file}: entry '{manifest.entry}' needs the file {code / module}.py, which does not exist")
    _check_files(code)
    if manifest.code is not None and "variants" not in specification.table(file):
        manifest = replace(manifest, variants=_manifest(code / "submission.toml").variants)
    return _variants(manifest, manifest.entry, code.resolve(), source_hash(code))


def package_files(entry: str) -> tuple[Path, str] | None:
    """The first file of the installed package that an entry names, and the hash of its sources; None without one."""
    package = entry.split(":")[0].split(".")[0]
    spec = importlib.util.find_spec(package)  # finds the files of a top-level package without running it
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if spec.submodule_search_locations:
        return origin, source_hash(origin.parent)
    return origin, hashlib.sha256(origin.read_bytes()).hexdigest()


def _installed(point: EntryPoint) -> list[Submission]:
    package = point.value.split(":")[0]
    found = package_files(point.value)
    if found is None:
        raise UsageError(f"installed method '{point.name}': its package '{package}' cannot be found; install it again")
    origin, source = found
    folder = origin.parent if origin.name == "__init__.py" else None
    file = origin.parent / "submission.toml"
    if folder and file.is_file():
        return _variants(_manifest(file), point.value, None, source)
    metadata = point.dist.metadata if point.dist else None
    author = metadata["Author"] if metadata is not None and "Author" in metadata else "unknown"
    table = {"name": point.name, "title": point.name, "authors": [author], "paper": "", "license": "unknown"}
    manifest = specification.validated(Manifest, table | {"entry": point.value}, f"installed method '{point.name}'")
    return _variants(manifest, point.value, None, source)


def discover(folder: Path) -> list[Submission]:
    """All variants of all submissions: the sub-folders with a submission.toml, then installed packages."""
    found = [item for file in sorted(folder.glob("*/submission.toml")) for item in read(file.parent)]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found += _installed(point)
    labels = [item.label for item in found]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"two submissions are called '{label}': rename one of them")
    return found


def changed(now: Iterable[Submission], before: Iterable[Submission]) -> list[str]:
    """Names of the submissions that are new, gone, or differ in their code or anything that submission.toml says."""
    contents = [{(item.name, repr(replace(item, folder=None))) for item in items} for items in (now, before)]
    return sorted({name for name, _ in contents[0] ^ contents[1]})


def choose(
    submissions: Sequence[Submission], names: Iterable[str], variants: Sequence[str] = ("default",)
) -> list[Submission]:
    """The submissions with these names, or NAME/VARIANT; without names all but ablations.

    A name stands for those of `variants` that it has, else for its default one, else for all that there are.
    """
    known: dict[str, list[str]] = {}
    for item in submissions:
        known.setdefault(item.name, []).append(item.variant)
    preferred = {
        name: [variant for variant in variants if variant in own]
        or [variant for variant in own if variant == "default"]
        or own
        for name, own in sorted(known.items())
    }
    wanted = list(names) or list({item.name: None for item in submissions if item.role != ABLATION})
    exact = [f"{item.name}/{item.variant}" for item in submissions]
    for name in wanted:
        if name not in preferred and name not in exact:
            choices = dict.fromkeys([*preferred, *(item.label for item in submissions)])
            raise UsageError(f"unknown method '{name}': choose from {', '.join(choices)}")
    return [
        item
        for item, label in zip(submissions, exact, strict=True)
        if label in wanted or (item.name in wanted and item.variant in preferred[item.name])
    ]
