"""The rooms of docs/architecture.md: each imports only from those above it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "unlearnbench"
ROOMS: list[str] = re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs/architecture.md").read_text(), flags=re.MULTILINE)


def room_of(module: str) -> str:
    """The room of a module, named without `unlearnbench.`: the longest name in the table that it begins with."""
    rooms = [room for room in ROOMS if f"{module}.".startswith(f"{room}.")]
    assert rooms, f"docs/architecture.md has no room for unlearnbench.{module}"
    return max(rooms, key=len)


def imported(file: Path) -> Iterator[str]:
    """The modules of this package that a file imports, wherever in the file, without `unlearnbench.`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where a module comes from"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("unlearnbench.") for name in names if name.startswith("unlearnbench."))


def test_a_room_imports_only_from_rooms_above_it() -> None:
    wrong = []
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        if str(place) in ("__init__.py", "__main__.py") or "template" in place.parts:  # the doors, and a submission
            continue
        here = room_of(".".join(place.with_suffix("").parts).removesuffix(".__init__"))
        rooms = {room_of(name) for name in imported(file)} - {here}
        wrong += [f"{place} imports from {room}" for room in rooms if ROOMS.index(room) > ROOMS.index(here)]
    assert not wrong, "\n".join(wrong)


def test_every_room_is_there() -> None:
    for room in ROOMS:
        path = PACKAGE / room.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), room
