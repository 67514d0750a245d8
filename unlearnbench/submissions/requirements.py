"""The Python packages that a submission requires: which versions are installed, found without importing them."""

from __future__ import annotations

import json
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import Distribution, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from unlearnbench.errors import UsageError

NUMERIC = ("numpy", "torch")
"""The packages that numbers follow most, whether a submission names them or not."""


def check_requirement(text: str, source: str) -> None:
    """Check one entry of `requires`.

    Raises:
        UsageError: it is no name with versions. The message begins with `source`.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise UsageError(f'{source}: requires: {text!r:.80} is not a requirement: write "name==version"') from None
    if requirement.url is not None or requirement.extras:
        raise UsageError(
            f'{source}: requires: {text!r:.80} has a URL or extras, which cannot be checked: write "name==version" for'
            " each package"
        )


def installed_versions(name: str, requires: Iterable[str], environment: Path | None = None) -> dict[str, str]:
    """The installed version of each package that a submission requires, by normalised name.

    Args:
        name: of the submission, for the message.
        requires: requirements (PEP 508). One whose marker does not apply here is left out.
        environment: the environment of the submission, whose versions of `NUMERIC` are given too where they differ from
            the harness's. Default: the environment of the harness.

    Raises:
        UsageError: a package is missing, has another version, or is installed in editable mode, so that its version
            does not say which code runs.
    """
    found, faults = _look_up(requires, environment)
    if faults:
        unmet = "; ".join(f"{requirement}, {fault}" for requirement, fault in faults.items())
        if environment is not None:
            raise UsageError(
                f"submission '{name}' requires {unmet} in its environment: remove {environment}, and it is built again"
            )
        wanted = " ".join(f"'{requirement}'" for requirement in faults)
        raise UsageError(
            f"submission '{name}' requires {unmet}: install it with `{sys.executable} -m pip install {wanted}`, or run"
            " with --environments"
        )
    if environment is not None:
        inside, _ = _look_up(NUMERIC, environment)
        found |= {package: there for package, there in inside.items() if there != version(package)}
    return dict(sorted(found.items()))


def fits(requires: Iterable[str]) -> bool:
    """Whether the environment of the harness has what a submission requires."""
    return not _look_up(requires)[1]


def applying(requires: Iterable[str]) -> list[Requirement]:
    """The requirements whose marker applies here, without it."""
    found = [Requirement(text) for text in requires]
    found = [item for item in found if item.marker is None or item.marker.evaluate()]
    for item in found:
        item.marker = None
    return found


def _look_up(requires: Iterable[str], environment: Path | None = None) -> tuple[dict[str, str], dict[Requirement, str]]:
    """The installed versions by normalised name, and what is wrong with each requirement that is not met."""
    found, faults = dict[str, str](), dict[Requirement, str]()
    path = sys.path if environment is None else site_packages(environment)
    for requirement in applying(requires):
        package = next(iter(Distribution.discover(name=requirement.name, path=path)), None)
        if package is None:
            faults[requirement] = "which is not installed"
            continue
        if not requirement.specifier.contains(package.version, prereleases=True):
            faults[requirement] = f"but {package.version} is installed"
        elif is_editable(package):
            faults[requirement] = "which is installed in editable mode, where its version does not say which code runs"
        found[canonicalize_name(requirement.name)] = package.version
    return found, faults


def site_packages(environment: Path) -> list[str]:
    """Where an environment, of the harness's version of Python, has its packages."""
    base = {"base": str(environment), "platbase": str(environment)}
    return list(dict.fromkeys(sysconfig.get_path(kind, "venv", base) for kind in ("purelib", "platlib")))


def is_editable(package: Distribution) -> bool:
    """Whether a package was installed with `pip install --editable` (PEP 610)."""
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    return bool(origin.get("dir_info", {}).get("editable", False))
