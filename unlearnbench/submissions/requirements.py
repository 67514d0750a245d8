"""The Python packages that a submission requires: which versions are installed, found without importing them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from unlearnbench.errors import UsageError


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


def installed_versions(name: str, requires: Iterable[str]) -> dict[str, str]:
    """The installed version of each package that a submission requires, by normalised name.

    Args:
        name: of the submission, for the message.
        requires: requirements (PEP 508). One whose marker does not apply here is left out.

    Raises:
        UsageError: a package is missing, has another version, or is installed in editable mode, so that its version
            does not say which code runs.
    """
    found: dict[str, str] = {}
    wanted, faults = [], []
    for requirement in map(Requirement, requires):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        requirement.marker = None
        fault = None
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            fault = "which is not installed"
        else:
            if not requirement.specifier.contains(package.version, prereleases=True):
                fault = f"but {package.version} is installed"
            elif is_editable(package):
                fault = "which is installed in editable mode, where its version does not say which code runs"
            found[canonicalize_name(requirement.name)] = package.version
        if fault is not None:
            faults.append(f"{requirement}, {fault}")
            wanted.append(f"'{requirement}'")
    if faults:
        raise UsageError(
            f"submission '{name}' requires {'; '.join(faults)}: install it with `{sys.executable} -m pip install"
            f" {' '.join(wanted)}`"
        )
    return dict(sorted(found.items()))


def is_editable(package: Distribution) -> bool:
    """Whether a package was installed with `pip install --editable` (PEP 610)."""
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    return bool(origin.get("dir_info", {}).get("editable", False))
