"""Nobody but the store asks the database."""

import ast
from pathlib import Path

import unlearnbench

PACKAGE = Path(unlearnbench.__file__).parent


def imported(file: Path) -> set[str]:
    """What a module takes from SQLAlchemy, at its top or in a function."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return {
        name.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for name in node.names
    }


def test_no_module_outside_the_store_writes_a_query() -> None:
    found = {str(file.relative_to(PACKAGE)): imported(file) for file in PACKAGE.rglob("*.py")}
    assert {"select", "Session"} <= found["store/results.py"]
    assert {file for file, names in found.items() if names - {"Engine"} and not file.startswith("store/")} == set()


def test_the_store_imports_no_report() -> None:
    for file in (PACKAGE / "store").rglob("*.py"):
        assert not any(room in file.read_text() for room in ("unlearnbench.report", "unlearnbench.verify")), file
