"""Choose submissions by name, and refuse those that are broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from unlearnbench.errors import UsageError, unknown
from unlearnbench.submissions.finding import ABLATION, Discovered, Submission

if TYPE_CHECKING:
    from unlearnbench.problems.suite import Suite


def choose(
    submissions: Iterable[Submission],
    names: Iterable[str],
    variants: Sequence[str] = ("default",),
    *,
    broken: Mapping[str, str] = MappingProxyType({}),
) -> list[Submission]:
    """Select submissions by NAME or NAME/VARIANT. Without names, all except ablations.

    NAME selects the variants of `variants` that the submission has, or its default variant if it has none of them.

    Args:
        broken: as in `Discovered`.

    Raises:
        UsageError: a name is unknown, or that of a broken submission.
    """
    submissions = list(submissions)
    known: dict[str, set[str]] = {}
    for item in submissions:
        known.setdefault(item.name, set()).add(item.variant)
    preferred = {name: own & set(variants) or {"default"} for name, own in sorted(known.items())}
    wanted = list(names) or [item.name for item in submissions if item.role != ABLATION]
    exact = [f"{item.name}/{item.variant}" for item in submissions]
    refuse_broken(wanted, broken)
    for name in wanted:
        if name not in preferred and name not in exact:
            choices = dict.fromkeys([*preferred, *(item.label for item in submissions), *broken])
            raise UsageError(unknown("method", name, choices))
    return [
        item
        for item, label in zip(submissions, exact, strict=True)
        if label in wanted or (item.name in wanted and item.variant in preferred[item.name])
    ]


def refuse_broken(names: Iterable[str], broken: Mapping[str, str]) -> None:
    """Raise the sentence of the first of these submissions, as NAME or NAME/VARIANT, that is broken.

    Raises:
        UsageError: one is.
    """
    for name in names:
        if (submission := _submission_of(name)) in broken:
            raise UsageError(broken[submission])


def choose_for(suite: Suite, found: Discovered, names: Sequence[str] = ()) -> tuple[list[Submission], dict[str, str]]:
    """Select what a suite runs, and say what is left out: broken submissions that nobody asked for by name, and why.

    Args:
        names: what is asked for, instead of the methods of the suite.

    Raises:
        UsageError: a name is unknown, or that of a broken submission; or nothing is left.
    """
    if names:
        return choose(found, names, suite.variants, broken=found.broken), {}
    own = {_submission_of(name) for name in suite.methods}
    left_out = {name: why for name, why in found.broken.items() if not own or name in own}
    rest = [name for name in suite.methods if _submission_of(name) not in left_out]
    chosen = choose(found, rest, suite.variants) if rest or not own else []
    if left_out and not chosen:
        raise UsageError(f"no method is left to run: {'; '.join(left_out.values())}")
    return chosen, left_out


def _submission_of(name: str) -> str:
    return name.partition("/")[0]
