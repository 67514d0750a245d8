"""The template that `unlearnbench new` copies: submission.toml and method.py in this folder."""

from __future__ import annotations

import keyword
import re
import shutil
from pathlib import Path

from unlearnbench.errors import UsageError

FILES = ("submission.toml", "method.py")
NAME, CLASS, TITLE = "new_method", "NewMethod", "New method"


def start(name: str, submissions: Path) -> Path:
    """Copy the template to submissions/name, fill in the name, and return the new folder.

    Raises:
        UsageError: the name is invalid or taken.
    """
    from unlearnbench.submissions.manifest import LONGEST_NAME
    from unlearnbench.submissions.manifest import NAME as PATTERN
    from unlearnbench.submissions.sources import check_package
    from unlearnbench.system.shipped import shipped

    if not re.fullmatch(PATTERN, name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"'{name}' is not a valid method name: use lower-case letters, digits, underscores; {LONGEST_NAME} at most"
        )
    folder = submissions / name
    check_package(folder)
    if folder.exists():
        raise UsageError(f"{folder} exists already: choose another name, or remove it")
    if (shipped("submissions") / name).exists():
        raise UsageError(f"'{name}' is the name of a submission that comes with unlearnbench: choose another name")
    texts = {file: (Path(__file__).parent / file).read_text() for file in FILES}
    words = {word for text in texts.values() for word in re.findall(r"\w+", text)} - {CLASS}
    cls = "".join(part.capitalize() for part in name.split("_"))
    if keyword.iskeyword(cls) or cls in words:  # such as `none` or `problem`
        cls += "Method"
    title = name.replace("_", " ").strip().capitalize()
    try:
        folder.mkdir(parents=True)
        for file, text in texts.items():
            (folder / file).write_text(text.replace(NAME, name).replace(CLASS, cls).replace(TITLE, title))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UsageError(f"cannot write {folder}: {error.strerror}") from error
    return folder
