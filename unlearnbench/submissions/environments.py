"""Environments of their own, built with uv, for submissions whose `requires` does not fit that of the harness.

An environment has what the submission requires, what a trial imports (`OLDEST`), and a link to this package. Its Python
is that of the harness. It is built beside its place and renamed, so what has its name is whole.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import unlearnbench
from unlearnbench.errors import HarnessError, UsageError
from unlearnbench.problems.identity import content_key
from unlearnbench.problems.registry import ARCHITECTURES
from unlearnbench.problems.tensors import lock
from unlearnbench.submissions.finding import Submission
from unlearnbench.submissions.requirements import applying, fits, site_packages

OLDEST = {
    "annotated-types": "0.6.0",
    "filelock": "3.12.0",
    "numpy": "1.23.5",
    "psutil": "5.9.8",
    "safetensors": "0.4.0",
    "torch": "2.2.0",
    "torchvision": "0.17.0",
}
"""What a trial imports beside the standard library, with the oldest versions that it works with."""

PACKAGE = Path(unlearnbench.__file__).parent
WHEELS = ("--only-binary", ":all:")
"""Nothing is built from source: that would run code of the package, outside every boundary."""

TRIED = "import unlearnbench.boundary.server"
"""Must work in an environment before it is used."""


def with_environments(
    submissions: Sequence[Submission], folder: Path, architecture: str, say: Callable[[str], None] = lambda line: None
) -> list[Submission]:
    """These submissions, with an environment for each whose `requires` does not fit that of the harness.

    Args:
        folder: where environments are, or are built. Harnesses may share it.
        architecture: that of the models. One of an installed package is in no environment.
        say: told when one is built, which takes minutes.

    Raises:
        UsageError: an environment cannot be built, with nothing left behind, or lacks the architecture.
    """
    unfit = [item.name for item in submissions if not fits(item.requires)]
    if unfit and architecture not in ARCHITECTURES.own:
        raise UsageError(
            f"architecture '{architecture}' is of an installed package, which the environment of submission"
            f" '{unfit[0]}' would not have: install what it requires beside the harness, and run without --environments"
        )
    return [
        replace(item, environment=_obtain(item, folder, say)) if item.name in unfit else item for item in submissions
    ]


def _obtain(submission: Submission, folder: Path, say: Callable[[str], None]) -> Path:
    if submission.sources is None:
        raise UsageError(
            f"installed method '{submission.name}' cannot have an environment of its own: install what it requires"
            " beside it, or copy it to the folder of submissions"
        )
    requires = applying(submission.requires)
    place = folder.resolve() / _key(requires)
    if not place.exists():
        say(f"building the environment of '{submission.name}'")
        with lock(place):
            if not place.exists():  # another harness may have built it meanwhile
                _build(place, submission.name, requires)
    return place


def _key(requires: Iterable[Requirement]) -> str:
    """Differs for everything that an environment follows from."""
    return content_key(
        requires=sorted(map(str, requires)),
        beside={name: version(name) for name in OLDEST},
        python=[sys.version, sys.base_prefix],
        package=str(PACKAGE),
    )[:16]


def _build(place: Path, name: str, requires: Sequence[Requirement]) -> None:
    """Build an environment. The caller must hold its lock.

    Raises:
        UsageError: uv cannot make it, or no trial can run in it.
        HarnessError: the disk is full, say.
    """
    uv, part = _uv(), place.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # left behind by a killed process
    try:
        _run(name, uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(part))
        python, wanted, chosen = part / "bin" / "python", part / "requires.in", part / "requires.txt"
        wanted.write_text("".join(f"{line}\n" for line in _wanted(requires)))
        # uv prefers the versions in the file that it writes to: those of the harness, where they fit.
        chosen.write_text("".join(f"{package}=={version(package)}\n" for package in OLDEST))
        options = ("--quiet", "--no-progress", "--python", str(python), *WHEELS)
        compiled = ("--no-annotate", "--output-file", str(chosen), str(wanted))
        _run(name, uv, "pip", "compile", *options, *compiled)
        _run(name, uv, "pip", "sync", *options, "--compile-bytecode", str(chosen))
        (Path(site_packages(part)[0]) / PACKAGE.name).symlink_to(PACKAGE)
        _run(name, str(python), "-I", "-B", "-c", TRIED)
        part.rename(place)
    except OSError as error:
        raise HarnessError(f"the environment of submission '{name}' cannot be built: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _wanted(requires: Sequence[Requirement]) -> list[str]:
    """The lines of requirements. Torch is that of the harness, unless the submission names it."""
    named = {canonicalize_name(requirement.name) for requirement in requires}
    torch = [] if "torch" in named else [f"torch=={version('torch')}"]
    return [*sorted(map(str, requires)), *(f"{package}>={oldest}" for package, oldest in OLDEST.items()), *torch]


def _uv() -> str:
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    found = shutil.which("uv", path=path)
    if found is None:
        raise UsageError(
            "--environments needs uv: pip install 'unlearnbench[environments]', or put the program `uv` on the PATH"
        )
    return found


def _run(name: str, *command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-1000:]
        program = Path(command[0]).name
        raise UsageError(f"the environment of submission '{name}' cannot be built: {program} says: {said}")
