"""Find submissions, in folders and in installed packages, without running their code.

A submission is a folder with submission.toml and its module, or an installed package with an entry point in the group
`unlearnbench.methods`. The entry point is named like the submission, and its value is `package:Class`. A package may
include a submission.toml next to its `__init__.py`. Without one, it has only the default variant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import EntryPoint, distribution, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearnbench.errors import UsageError
from unlearnbench.problems import specification
from unlearnbench.store.labels import method_label
from unlearnbench.submissions.imports import missing_imports
from unlearnbench.submissions.manifest import Manifest, Range, read_variants
from unlearnbench.submissions.requirements import installed_versions, site_packages
from unlearnbench.submissions.sources import Sources, check_package, find_package, read_sources
from unlearnbench.system.clutter import is_clutter
from unlearnbench.system.shipped import shipped

if TYPE_CHECKING:
    pass

GROUP = "unlearnbench.methods"
ABLATION = "ablation"
ORACLE = "oracle"
"""Suffix of the names of variants whose hyperparameters were chosen with true labels."""


@dataclass(frozen=True)
class Submission:
    """One variant of a submission.

    Attributes:
        folder: folder of the code. None for an installed package.
        requires: Python packages that the code imports, as requirements (PEP 508).
        distribution: name of the installed package. None for a folder.
        sources: the files of that folder as they were read, which is what trials get. None for an installed package.
        environment: the environment whose Python runs its trials. None for that of the harness.
    """

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
    requires: tuple[str, ...] = ()
    distribution: str | None = None
    sources: Sources | None = field(default=None, repr=False)
    environment: Path | None = None
    needs_expansion: bool = False
    needs_retraining: bool = False

    @property
    def label(self) -> str:
        return method_label(self.name, self.variant)


def read(folder: Path) -> list[Submission]:
    """Read all variants of the submission in this folder. The default variant comes first.

    Raises:
        UsageError: the submission is invalid. The message names the file and how to fix it.
    """
    file = folder / "submission.toml"
    if not file.is_file():
        raise UsageError(f"no submission.toml in {folder}: create a submission with `unlearnbench new NAME`")
    variants = read_variants(specification.table(file), str(file))
    manifest, _ = variants["default"]
    if manifest.name != folder.resolve().name:
        raise UsageError(f"{file}: name '{manifest.name}' must be that of its folder, '{folder.resolve().name}'")
    code = (folder if manifest.code is None else _folder_of(manifest.code, folder.parent)).resolve()
    for changed, _ in variants.values():
        module = code / f"{changed.entry.split(':')[0].replace('.', '/')}.py"
        if not module.is_file():
            raise UsageError(f"{file}: entry '{changed.entry}' needs the file {module}, which does not exist")
    check_package(code)
    sources = read_sources(code)
    return _submissions(variants, sources.hash, code, sources)


def _folder_of(name: str, beside: Path) -> Path:
    """The folder of another submission: beside this one, else among those that come with unlearnbench."""
    return next((place / name for place in (beside, shipped("submissions")) if (place / name).is_dir()), beside / name)


def _submissions(
    variants: dict[str, tuple[Manifest, dict[str, Any]]],
    source_hash: str,
    folder: Path | None = None,
    sources: Sources | None = None,
    distribution: str | None = None,
) -> list[Submission]:
    return [
        Submission(
            name=manifest.name,
            variant=variant,
            title=manifest.title,
            authors=manifest.authors,
            paper=manifest.paper,
            license=manifest.license,
            entry=manifest.entry,
            # Methods and variants that use true labels are shown but not ranked.
            role="reference" if manifest.needs.corrupted_indices or variant.endswith(ORACLE) else manifest.role,
            needs_corrupted_indices=manifest.needs.corrupted_indices,
            needs_tied_dropout=manifest.needs.tied_dropout,
            needs_forget_set=manifest.needs.forget_set,
            requires=manifest.requires,
            hyperparameters=hyperparameters,
            search=manifest.search,
            folder=folder,
            source_hash=source_hash,
            distribution=distribution,
            sources=sources,
            needs_expansion=manifest.needs.expansion,
            needs_retraining=manifest.needs.retraining,
        )
        for variant, (manifest, hyperparameters) in variants.items()
    ]


def _read_installed(point: EntryPoint) -> list[Submission]:
    package = point.value.split(":")[0]
    found = find_package(point.value)
    if found is None:
        raise UsageError(f"installed method '{point.name}': its package '{package}' cannot be found; install it again")
    origin, source = found
    entry, file = {"entry": point.value}, origin.parent / "submission.toml"
    name = point.dist.name if point.dist else None
    if origin.name == "__init__.py" and file.is_file():
        table = specification.table(file) | entry
        if table.get("name") != point.name:
            raise UsageError(
                f"installed method '{point.name}': {file} calls it '{table.get('name')}': give both the same name"
            )
        return _submissions(read_variants(table, str(file)), source, distribution=name)
    metadata = point.dist.metadata if point.dist else None
    author = metadata["Author"] if metadata is not None and "Author" in metadata else "unknown"
    table = {"name": point.name, "title": point.name, "authors": [author], "paper": "", "license": "unknown"}
    return _submissions(read_variants(table | entry, f"installed method '{point.name}'"), source, distribution=name)


def read_one(place: str | Path) -> list[Submission]:
    """Read all variants of one submission: a folder, or else an installed or shipped method of this name.

    Raises:
        UsageError: there is no such submission, or it is invalid.
    """
    if Path(place).is_dir():
        return read(Path(place))
    points = [*entry_points(group=GROUP, name=str(place))]
    own = shipped("submissions") / place
    return _read_installed(points[0]) if points else read(own if own.is_dir() else Path(place))


@dataclass(frozen=True)
class Discovered:
    """What there is: all variants of all submissions, and what cannot be one. Iterating gives the submissions.

    Attributes:
        broken: the sentence that refuses it, by name: that of its folder, or of its entry point.
    """

    submissions: tuple[Submission, ...]
    broken: Mapping[str, str]

    def __iter__(self) -> Iterator[Submission]:
        return iter(self.submissions)


def discover(*folders: Path) -> Discovered:
    """Read all variants of all submissions: subfolders with a submission.toml first, then installed packages.

    Of a name that several folders have, that in the first is read. What is invalid is left for those who ask for it: it
    stops nobody else. Two submissions of one name are both broken.
    """
    found: list[Submission] = []
    broken: dict[str, str] = {}
    files = {
        file.parent.name: file
        for folder in reversed(folders)
        for file in folder.glob("*/submission.toml")
        if not is_clutter(file.parent.name)
    }
    readers = [(name, partial(read, file.parent)) for name, file in sorted(files.items())]
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    readers += [(point.name, partial(_read_installed, point)) for point in points]
    for name, reader in readers:
        try:
            found += reader()
        except UsageError as error:
            broken[name] = str(error)
        except (OSError, ImportError, ValueError) as error:  # a file that vanishes, a package that is half removed
            broken[name] = f"submission '{name}' cannot be read: {error}"
    for name, count in Counter(name for name, _ in readers).items():
        if count > 1:
            broken[name] = f"{count} submissions are called '{name}': rename or uninstall all but one"
    return Discovered(tuple(item for item in found if item.name not in broken), broken)


def packages(submissions: Iterable[Submission]) -> dict[str, str]:
    """Versions of the packages that these submissions require, and of those that they are installed as, by name.

    A package in an environment of its own has the name of the submission before its own: `mine: numpy`.

    Raises:
        UsageError: a required package is missing, or not as required, or the code imports one that is not installed.
    """
    found: dict[str, str] = {}
    for item in submissions:
        prefix = "" if item.environment is None else f"{item.name}: "
        versions = installed_versions(item.name, item.requires, item.environment)
        _refuse_missing_imports(item)
        found |= {f"{prefix}{name}": version for name, version in versions.items()}
        if item.distribution is not None:
            found[item.distribution] = version(item.distribution)
    return found


def _refuse_missing_imports(submission: Submission) -> None:
    """Refuse a submission that cannot be imported here, before it fails on every problem."""
    if submission.sources is None:
        return
    path = None if submission.environment is None else site_packages(submission.environment)
    missing = missing_imports(submission.sources, submission.entry, path)
    if missing:
        raise UsageError(
            f"submission '{submission.name}' imports {', '.join(missing)}, which is not installed: name the packages"
            " with their versions in `requires` of its submission.toml, and install them"
        )


def locations(submissions: Iterable[Submission]) -> dict[str, Path]:
    """Folders that installed methods and required packages are imported from, by name. All must be installed.

    Leaves out environments of their own, which trials always see.
    """
    found: dict[str, Path] = {}
    for item in submissions:
        if item.environment is not None:
            continue
        if item.sources is None and (package := find_package(item.entry)) is not None:
            found[item.name] = package[0].parent
        for name in installed_versions(item.name, item.requires):
            found[name] = Path(str(distribution(name).locate_file("")))
    return found


def differing_from_shipped(submissions: Iterable[Submission]) -> list[str]:
    """Names of the submissions in folders that differ from those of the same names that come with unlearnbench."""
    found = {item.label: item for item in submissions if item.sources is not None}
    folders = sorted({shipped("submissions") / item.name for item in found.values()})
    own = [item for folder in folders if folder.is_dir() for item in read(folder)]
    names = {item.name for item in own}
    return find_changed(
        Discovered(tuple(item for item in found.values() if item.name in names), {}),
        Discovered(tuple(item for item in own if item.label in found), {}),
    )


def find_changed(now: Discovered, before: Discovered) -> list[str]:
    """Names of submissions that were added, removed, or changed in their code or submission.toml.

    A broken folder always counts as changed, so that whoever validates what has changed meets it.
    """
    contents = [
        {(item.name, repr(replace(item, folder=None))) for item in items} | set(items.broken.items())
        for items in (now, before)
    ]
    return sorted({name for name, _ in contents[0] ^ contents[1]})
