"""What functions that run trials read first: a suite, secret seeds, submissions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unlearnbench.library.shared import GridPlaces, Places, Where
from unlearnbench.system import shipped

if TYPE_CHECKING:
    from unlearnbench.problems.secret_seeds import SecretSeeds
    from unlearnbench.problems.suite import Suite
    from unlearnbench.submissions.finding import Discovered, Submission


def folders(kind: shipped.Kind, places: Places | GridPlaces) -> tuple[Path, ...]:
    """Where suites or submissions are looked for."""
    return shipped.places(kind, places.get(kind))


def data_of(places: Places | GridPlaces) -> Path:
    return Path(places.get("data", "data"))


def suite_of(suite: Where, places: Places | GridPlaces) -> Suite:
    from unlearnbench.problems.suite_file import find, parse

    return parse(find(str(suite), *folders("suites", places)))


def secrets_of(file: Where | None) -> SecretSeeds | None:
    from unlearnbench.problems.secret_seeds import read

    return None if file is None else read(Path(file))


def discovered(places: Places | GridPlaces) -> Discovered:
    from unlearnbench.submissions.finding import discover

    return discover(*folders("submissions", places))


def not_as_shipped(suite: Suite, submissions: Sequence[Submission]) -> list[str]:
    """What of this run only shares its name with something that comes with unlearnbench, in a sentence each."""
    from unlearnbench.problems.suite_file import differs_from_shipped
    from unlearnbench.submissions.finding import differing_from_shipped

    names = [f"suite '{suite.name}'"] if differs_from_shipped(suite) else []
    names += [f"submission '{name}'" for name in differing_from_shipped(submissions)]
    return [f"{name} is not the one of this name that comes with unlearnbench" for name in names]
