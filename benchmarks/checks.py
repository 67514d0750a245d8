"""Does `unlearnbench check` find what it is there to find, and is it silent about the rest?

    python benchmarks/checks.py plants              regressions planted into real runs of a small suite
    python benchmarks/checks.py honest --times 10   the same code again, each time with a fresh store

Results are in docs/checks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unlearnbench import cli
from unlearnbench.problems.streams import stream
from unlearnbench.running import originals, trial
from unlearnbench.store.store import Store
from unlearnbench.verify.baseline import read, records
from unlearnbench.verify.check import compare, cost_growth

ROOT = Path(__file__).parent.parent
METHODS = ("finetune", "npo", "retrain")
PLANTED = "finetune"

SUITE = """
name = "small"
title = "300 digits, 9 problems"
dataset = "digits"
discovery_rates = [0.1, 0.5, 1.0]
seeds = [0]
variants = ["digits", "default"]
train_size = 300
test_size = 100
[corruption]
size = 30
[model]
width = 0.125
[recipe]
steps = 60
batch_size = 64
peak_learning_rate = 0.05
crop_padding = 0
flip = false
[budget]
steps = 20
batch_size = 64
learning_rate = 0.01
"""


@dataclass(frozen=True)
class Place:
    """A folder with the small suite, copies of the methods and the baseline of both."""

    folder: Path

    @property
    def baseline(self) -> Path:
        return self.folder / "baseline.csv"

    def call(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of the program."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            try:
                cli.main(list(arguments))
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return code, printed.getvalue()

    def check(self, submissions: Path) -> tuple[int, list[str]]:
        """Exit code of a check with a fresh store, and its lines about regressions."""
        code, printed = self.call(
            *("check", str(self.folder / "small.toml"), "--against", str(self.baseline)),
            *("--submissions", str(submissions), "--data", str(self.folder / "data")),
        )
        return code, [line for line in printed.splitlines() if line.startswith("regression: ")]


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Run the small suite once and keep it as the baseline."""
    with tempfile.TemporaryDirectory() as name:
        here = Place(Path(name))
        (here.folder / "small.toml").write_text(SUITE)
        for method in METHODS:
            shutil.copytree(ROOT / "submissions" / method, here.folder / "submissions" / method)
        store = str(here.folder / "store.db")
        run = ("run", str(here.folder / "small.toml"), "--submissions", str(here.folder / "submissions"))
        code, printed = here.call(*run, "--database", store, "--data", str(here.folder / "data"))
        assert code == 0, printed
        code, printed = here.call("baseline", "small", "--out", str(here.baseline), "--database", store)
        assert code == 0, printed
        yield here


def edit(pattern: str, new: str, file: str = "method.py") -> Callable[[Path], None]:
    """A change of the planted method, wherever this regular expression matches."""

    def change(submissions: Path) -> None:
        path = submissions / PLANTED / file
        text, count = re.subn(pattern, new, path.read_text(), flags=re.MULTILINE)
        assert count, f"{path} has nothing like {pattern!r}"
        path.write_text(text)

    return change


FIRST_LINE = "        model = problem.original()\n"
SLOWLY = """        from time import process_time
        begin = process_time()
        while process_time() - begin < 2:
            pass
"""
PLANTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "weakened: learning rate 0.001": (
        edit(r"^learning_rate = [\d.e-]+$", "learning_rate = 0.001", "submission.toml"),
        f"regression: {PLANTED}/digits: score",
    ),
    # Not a sleep: a machine that is busy with other things slows retraining, but no sleep.
    "slowed: 2 s more of processor time in each trial": (
        edit(re.escape(FIRST_LINE), SLOWLY + FIRST_LINE),
        f"regression: {PLANTED}/digits: cost",
    ),
    "fails where 3 samples were discovered": (
        edit(re.escape(FIRST_LINE), FIRST_LINE + "        assert len(problem.forget) > 3, 'too few'\n"),
        f"regression: {PLANTED}/digits: finishes",
    ),
    "vanished": (lambda submissions: shutil.rmtree(submissions / PLANTED), f"regression: {PLANTED}/digits: present"),
}


def plants() -> None:
    """Plant each regression, check, and show what the check said."""
    with place() as here:
        for name, (plant, expected) in PLANTS.items():
            with tempfile.TemporaryDirectory() as folder:
                submissions = Path(shutil.copytree(here.folder / "submissions", Path(folder) / "submissions"))
                plant(submissions)
                show(name, expected, *here.check(submissions))
        for module in (originals, trial):
            module.stream = lambda seed, *names: stream(seed, "renamed", *names)  # type: ignore[attr-defined]
        show("the harness names its streams otherwise", "same numbers", *here.check(here.folder / "submissions"))
        originals.stream = trial.stream = stream  # type: ignore[attr-defined]


def show(name: str, expected: str, code: int, lines: list[str]) -> None:
    found = code == 1 and any(expected in line for line in lines)
    print(f"\n{'found' if found else 'MISSED'}: {name}", flush=True)
    for line in lines:
        print(f"    {line}", flush=True)


def honest(times: int) -> None:
    """Check unchanged code again and again: alarms, and how far costs stray."""
    alarms = 0
    growths: list[float] = []
    with place() as here:
        before = read(here.baseline)
        for index in range(times):
            store, data = here.folder / f"{index}.db", here.folder / str(index)
            code, printed = here.call(
                *("check", str(here.folder / "small.toml"), "--against", str(here.baseline), "--database", str(store)),
                *("--submissions", str(here.folder / "submissions"), "--data", str(data)),
            )
            alarms += code != 0
            with Store(str(store)) as opened:
                pairs = compare(before, records(opened.engine, "small"), cost_factor=2.0).pairs
            growth = {str(name): cost_growth(group) for name, group in pairs.groupby("method") if name != "retrain"}
            growths += growth.values()
            listed = ", ".join(f"{method} {value:.2f}" for method, value in growth.items())
            print(f"{index + 1}: exit code {code}; cost, as a multiple of the baseline's: {listed}", flush=True)
            if code:
                print(printed, flush=True)
    print(f"{alarms} alarms of {times}; cost from {min(growths):.2f} to {max(growths):.2f} of the baseline's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, dest="verb")
    verbs.add_parser("plants")
    verbs.add_parser("honest").add_argument("--times", type=int, default=10)
    arguments = vars(parser.parse_args())
    known: dict[str, Callable[..., None]] = {"plants": plants, "honest": honest}
    known[arguments.pop("verb")](**arguments)


if __name__ == "__main__":
    main()
