"""The packages that a submission imports at once, found in its files without running them."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath

from unlearnbench.submissions.sources import VENDOR, Sources

CATCHING = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def missing_imports(sources: Sources, entry: str, path: Sequence[str] | None = None) -> list[str]:
    """The top-level names that importing the entry would need and that cannot be found.

    Only statements that surely run are looked at: those of a module, not of its functions, under no condition, and in
    no `try` that catches the error. A file that changes `sys.path` or that is no Python is left out.

    Args:
        entry: the method, as `module:Class`.
        path: where packages are installed. Default: where this process finds them.
    """
    own = {_module(name): content for name, content in sources.files.items() if name.endswith(".py")}
    vendored = {
        PurePosixPath(name).parts[1].removesuffix(".py") for name in sources.files if name.startswith(f"{VENDOR}/")
    }
    waiting, seen, wanted = [entry.split(":")[0]], set[str](), set[str]()
    while waiting:
        module = waiting.pop()
        if module in seen or module not in own:
            continue
        seen.add(module)
        for name in _imported(own[module], f"{sources.package}.{module}"):
            top, _, rest = name.partition(".")
            if top == sources.package:
                parts = rest.split(".")
                waiting += [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
            else:
                wanted.add(top)
    return sorted(name for name in wanted - vendored if not _found(name, path))


def _module(name: str) -> str:
    return ".".join(PurePosixPath(name.removesuffix(".py").removesuffix("/__init__")).parts)


def _imported(content: bytes, module: str) -> Iterator[str]:
    """Absolute names of the modules that this one imports whenever it is imported, and of what it takes from them."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # the trial says so
        return
    if any(isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path" for node in ast.walk(tree)):
        return
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.rsplit(".", node.level)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield source
            if node.level:
                yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.With | ast.ClassDef):
            waiting += node.body
        elif isinstance(node, ast.Try) and not any(map(_catches, node.handlers)):
            waiting += [*node.body, *node.orelse, *node.finalbody]


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches the error of a missing import."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in CATCHING for kind in kinds)


def _found(name: str, path: Sequence[str] | None) -> bool:
    if name in sys.stdlib_module_names:
        return True
    if path is not None:
        return PathFinder.find_spec(name, [str(Path(place)) for place in path]) is not None
    return name in sys.modules or importlib.util.find_spec(name) is not None
