"""A program in the place of uv. Its environments link to the packages of this Python, and name versions at will."""

from __future__ import annotations

import importlib.util
import json
import sys
import venv
from pathlib import Path

from unlearnbench.submissions.requirements import site_packages

PROGRAM = "#!{python}\nimport sys\nsys.path[:0] = {path}\nfrom tests.submissions.fake_uv import main\nmain()\n"


def program(folder: Path) -> Path:
    """Write the program to a folder. It logs its calls beside itself, and fails where there is a file `broken`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "uv"
    path = [str(Path(__file__).parents[2])]
    file.write_text(PROGRAM.format(python=sys.executable, path=path))
    file.chmod(0o755)
    return file


def calls(folder: Path) -> list[list[str]]:
    log = folder / "log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def packages_of_harness() -> str:
    """The folder with torch, found without importing it."""
    torch = importlib.util.find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    return str(Path(torch.origin).parents[1])


def main() -> None:
    here, words = Path(sys.argv[0]).parent, sys.argv[1:]
    with (here / "log").open("a") as log:
        log.write(f"{json.dumps(words)}\n")
    if words[0] == "venv":
        venv.create(words[-1], symlinks=True)
        return
    if (here / "broken").exists():
        sys.exit("  x No solution found:\n  because torchforget is not there, it cannot be had.")
    place = Path(words[words.index("--python") + 1]).parents[1]
    if words[1] == "compile":
        wanted, chosen = Path(words[-1]), Path(words[words.index("--output-file") + 1])
        pins = dict(line.split("==") for line in (chosen.read_text() + wanted.read_text()).splitlines() if "==" in line)
        chosen.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        return
    site = Path(site_packages(place)[0])
    for package in Path(packages_of_harness()).iterdir():
        if package.suffix not in (".dist-info", ".pth") and "unlearnbench" not in package.name:
            (site / package.name).symlink_to(package)
    for name, version in (line.split("==") for line in Path(words[-1]).read_text().splitlines()):
        information = site / f"{name}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
