"""A submission that cannot be imported here is refused before it runs, and one that can is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.submission import NOTHING
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.running.run import run_suite
from unlearnbench.store.results import suites
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission, discover
from unlearnbench.submissions.imports import missing_imports
from unlearnbench.submissions.sources import Sources

FOUND = [
    ("import numpy, absent.inner\nfrom missing import a", ["absent", "missing"]),
    ("import os\nfrom unlearnbench import Problem\nfrom torch.nn import functional", []),
    ("class Method:\n    import absent\nwith open('x') as file:\n    import missing", ["absent", "missing"]),
    ("try:\n    import absent\nexcept ImportError:\n    absent = None", []),
    ("try:\n    import absent\nexcept (OSError, ModuleNotFoundError):\n    pass", []),
    ("try:\n    import absent\nexcept:\n    pass", []),
    ("try:\n    import absent\nexcept OSError:\n    pass", ["absent"]),
    ("try:\n    pass\nexcept ImportError:\n    import absent", []),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import absent", []),
    ("def plot():\n    import absent", []),
    ("import sys\nsys.path.append('elsewhere')\nimport absent", []),
    ("import absent as", []),
    ("import lib, single", []),
    ("from .helper import a", ["absent"]),
    ("from . import helper", ["absent"]),
    ("from mine.helper import a", ["absent"]),
    ("import mine.inner", ["missing"]),
    ("from .inner.deep import a", ["absent", "missing"]),
    ("from . import nothing_here", []),
]


@pytest.mark.parametrize(("code", "missing"), FOUND)
def test_what_is_missing_is_what_the_import_of_the_entry_would_miss(code: str, missing: list[str]) -> None:
    files = {
        "method.py": code,
        "helper.py": "import absent",
        "inner/__init__.py": "import missing",
        "inner/deep.py": "from ..helper import a",
        "unused.py": "import unused_and_absent",
        "vendor/lib/__init__.py": "import absent_in_lib",
        "vendor/single.py": "",
    }
    sources = Sources("mine", {name: content.encode() for name, content in files.items()})
    assert missing_imports(sources, "method:Method") == missing


def test_packages_are_looked_for_where_the_trial_would(tmp_path: Path) -> None:
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "__init__.py").touch()
    sources = Sources("mine", {"method.py": b"import absent, numpy"})
    assert missing_imports(sources, "method:Method", [str(tmp_path)]) == ["numpy"]


def test_a_run_is_refused_with_nothing_stored(
    tiny_suite: Suite, make_submission: Callable[..., Submission], store: Store, tmp_path: Path
) -> None:
    good, bad = make_submission("good", NOTHING), make_submission("bad", NOTHING)
    assert bad.folder is not None
    (bad.folder / "method.py").write_text("import torchabsent\n" + (bad.folder / "method.py").read_text())
    (bad,) = [item for item in discover(bad.folder.parent) if item.name == "bad"]
    with pytest.raises(UsageError, match="submission 'bad' imports torchabsent, which is not installed: name the"):
        run_suite(tiny_suite, [good, bad], store, tmp_path)
    assert suites(store.engine) == []


def test_every_shipped_submission_can_be_imported() -> None:
    for item in discover(Path(__file__).parents[2] / "submissions"):
        assert item.sources is not None
        assert missing_imports(item.sources, item.entry) == [], item.label
