"""The linters that CI runs, on one submission of a checkout."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

LINTERS = (("ruff", "check", "--quiet"), ("ruff", "format", "--check", "--quiet"), ("mypy", "--no-error-summary"))


def checkout_of(folder: Path) -> Path | None:
    """The checkout of unlearnbench that has this folder among its submissions, whose settings linters would use."""
    root = folder.resolve().parent.parent
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return None
    return root if project.get("name") == "unlearnbench" else None


def lint(folder: Path) -> list[str]:
    """What the installed linters find in a submission, one text for each that finds something.

    Finds nothing outside of a checkout, whose settings are needed. There CI is the judge.
    """
    root = checkout_of(folder)
    found = []
    for linter, *options in LINTERS if root is not None else ():
        if find_spec(linter) is None:
            continue
        command = [sys.executable, "-m", linter, *options, str(folder.resolve())]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            name = " ".join([linter, *options])
            found.append(f"{name}:\n{(done.stdout + done.stderr).strip() or 'run it to see what differs'}")
    return found
