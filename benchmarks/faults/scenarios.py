"""The scenarios: each does harm, asserts that nothing is lost or doubled, and says in a few words what was seen."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.faults.harness import (
    SUITE,
    TRIALS,
    Place,
    children,
    descendants,
    intact,
    kill,
    records,
    shipped,
    start,
    trials,
    wait,
    written,
)
from unlearnbench.problems.tensors import load_verified
from unlearnbench.running import run as run_module

CLONE_NEWNS = 0x20000

ROOMS = {"results": (16, 192, 256, 320, 384), "data": (0, 16, 48), "tmp": (0, 32, 64, 128)}
"""KiB that a full disk still has: some for the first file only, some until the run is well under way."""


class NotHere(Exception):
    """This machine does not let the scenario do its harm."""


@dataclass(frozen=True)
class Campaign:
    """The folder to work in, how often a harness is killed, and what an undisturbed run gives, in how many seconds."""

    folder: Path
    kills: int
    seed: int
    expected: dict[str, dict[str, Any]]
    seconds: float

    def place(self, name: str, database: str | None = None) -> Place:
        return Place.new(self.folder / name, database)


def undisturbed(folder: Path, kills: int, seed: int) -> Campaign:
    place = Place.new(folder / "undisturbed")
    begin = time.monotonic()
    assert wait(start(place, shipped())) == 0, place.says
    seconds = time.monotonic() - begin
    expected = records(place)
    assert len(trials(place)) == TRIALS
    assert not place.temporary()
    return Campaign(folder, kills, seed, expected, seconds)


def harness_killed(campaign: Campaign) -> str:
    """The harness, alone or with all of its processes, at a random moment; then the same command until it is done."""
    chance, seconds = random.Random(campaign.seed), campaign.seconds
    killed = rounds = runs = lost = changed = 0
    while killed < campaign.kills:
        place = campaign.place(f"killed-{rounds}")
        rounds += 1
        before: dict[str, dict[str, Any]] = {}
        code = None
        while code != 0:
            begin, moment = time.monotonic(), chance.uniform(0, seconds) if killed < campaign.kills else float("inf")
            pid = start(place, shipped())
            runs += 1
            while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                if time.monotonic() - begin > moment:
                    kill(pid, *(descendants(pid) if chance.random() < 0.5 else ()))
                    moment = float("inf")
                time.sleep(0.005)
            code = wait(pid)
            killed += code == -9
            assert code in (0, -9), place.says
            assert intact(place)
            after = records(place)
            lost += len(before.keys() - after.keys())
            changed += sum(after.get(key) != row for key, row in before.items() if key in after)
            if code == 0 and not before:  # how long a run takes changes with what else the machine does
                seconds = time.monotonic() - begin
            before = after
        assert after == campaign.expected, "a run that was killed and went on differs from an undisturbed one"
        assert not place.temporary(), "a temporary folder was left"
    assert (lost, changed) == (0, 0)
    return f"{killed} kills in {runs} runs of {rounds} stores: none lost, none doubled, same records"


def _at(pid: int, level: int, seconds: float = 60) -> int:
    """The first process so many generations below the harness: 1 the fork server, 2 a guardian, 3 a trial."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        generation = [pid]
        for _ in range(level):
            generation = [child for parent in generation for child in children(parent)]
        if generation:
            return generation[0]
        time.sleep(0.02)
    raise AssertionError(f"no process {level} generations below the harness")


def _child_killed(campaign: Campaign, name: str, level: int) -> tuple[Place, Counter[str], int]:
    """Kill one process while the first trial sleeps; the reasons that are then stored."""
    place = campaign.place(name)
    note = place.folder / "sleeps"
    body = f"open({str(note)!r}, 'a').write('x')\ntime.sleep(1.5)\nreturn problem.original()"
    sleeper = written(place.folder, "sleeps", body)
    suite = replace(SUITE, corruptions=("random-swap",))
    pid = start(place, [sleeper], suite=suite)
    deadline = time.monotonic() + 60
    while not note.exists():
        assert time.monotonic() < deadline, place.says
        time.sleep(0.02)
    kill(_at(pid, level))
    code = wait(pid)
    again = wait(start(place, [sleeper], suite=suite))
    assert again == 0, place.says
    return place, Counter(row["reason"] or "finished" for row in trials(place).values()), code


def trial_killed(campaign: Campaign) -> str:
    """The process of one trial."""
    _, reasons, code = _child_killed(campaign, "trial", 3)
    assert reasons == {"crashed: signal 9": 1, "finished": 1}, reasons
    assert code == 0
    return "a failed trial, `crashed: signal 9`; the run goes on"


def guardian_killed(campaign: Campaign) -> str:
    """The process that watches one trial."""
    _, reasons, code = _child_killed(campaign, "guardian", 2)
    assert sum(reasons.values()) == 2
    assert code == 0
    failed = [reason for reason in reasons if reason != "finished"]
    return f"a failed trial, `{failed[0]}`; the run goes on" if failed else "run again; all trials finish"


def server_killed(campaign: Campaign) -> str:
    """The server that trials are forked from, while a trial runs."""
    _, reasons, code = _child_killed(campaign, "server", 1)
    assert reasons == {"finished": 2}, reasons
    assert code == 0
    return "started again; all trials finish"


def _small_disk(folder: Path, megabytes: int) -> None:
    """Mount a small file system on the folder, for this process and its children alone."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise NotHere("mounting in a namespace of one's own is not permitted")
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotHere(f"mounting is not permitted: {done.stderr.strip()}")


def disk_full(campaign: Campaign) -> str:
    """The disk of the store, of the cache, or of temporary files, with less and less room; then with room again."""
    chance = random.Random(campaign.seed)
    seen: Counter[str] = Counter()
    for what, rooms in ROOMS.items():
        for room in rooms if campaign.kills > 10 else [chance.choice(rooms)]:
            place = campaign.place(f"full-{what}-{room}")
            mounted = place.folder / what
            mounted.mkdir(exist_ok=True)
            place = replace(place, database=f"sqlite:///{mounted / 'results.db'}") if what == "results" else place
            report = place.folder / "report"
            pid = os.fork()
            if pid == 0:
                _fill_and_run(place, mounted, room, report)
            code = wait(pid)
            said = report.read_text() if report.exists() else place.says
            if code == 3:
                raise NotHere(said)
            assert code == 0, said
            copy = Place(place.folder / "copy", f"sqlite:///{place.folder / 'copy' / 'results.db'}")
            assert records(copy) == campaign.expected, f"{what}, {room} KiB: {said}"
            seen[said] += 1
    stopped = sum(count for said, count in seen.items() if said != "it fitted")
    store = sum(count for said, count in seen.items() if "results database" in said)
    return (
        f"{sum(seen.values())} disks: {stopped} runs stopped with one sentence ({store} of them at the store), and all"
        " went on to the same records"
    )


def _fill_and_run(place: Place, mounted: Path, room: int, report: Path) -> None:
    """In a forked process: a full disk, a run, the disk emptied, another run, and a copy of the store for outside."""
    code = 1
    try:
        _small_disk(mounted, 8)
        log = os.open(place.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 2)
        ballast = mounted / "ballast"
        free = os.statvfs(mounted)
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - room * 1024))
        first = wait(start(place, shipped()))
        said = place.says if first else "it fitted"
        ballast.unlink()
        second = wait(start(place, shipped()))
        report.write_text(said if second == 0 else f"after {said!r}: {place.says}")
        whole = first in (0, 1, 2) and second == 0 and "Traceback" not in (place.folder / "log").read_text()
        (place.folder / "copy").mkdir()
        for file in Path(place.database.removeprefix("sqlite:///")).parent.glob("results.db*"):
            (place.folder / "copy" / file.name).write_bytes(file.read_bytes())
        code = 0 if whole else 1
    except NotHere as error:
        report.write_text(str(error))
        code = 3
    finally:
        os._exit(code)


def original_damaged(campaign: Campaign) -> str:
    """A cached original: truncated, bits flipped, zeroed, half renamed; found by its checksum and trained again."""
    chance = random.Random(campaign.seed)
    place = campaign.place("damaged")
    assert wait(start(place, shipped()[:1])) == 0, place.says
    file = min((place.folder / "data" / "originals").glob("*.safetensors"))
    whole = file.read_bytes()
    damages: dict[str, Callable[[], bytes]] = {
        "truncated": lambda: whole[: chance.randrange(len(whole))],
        "flipped": lambda: _flipped(whole, chance.randrange(8 * len(whole))),
        "in the header": lambda: _flipped(whole, chance.randrange(8 * 2048)),
        "zeroed": lambda: whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2),
    }
    found = 0
    for _ in range(campaign.kills):
        for damage in damages.values():
            file.write_bytes(damage())
            found += load_verified(file) is None or file.read_bytes() == whole
    assert found == len(damages) * campaign.kills
    file.write_bytes(damages["flipped"]())
    half = file.with_name(f"{file.name}.part-1")  # as a harness leaves it that was killed before the renaming
    half.write_bytes(whole[: len(whole) // 2])
    assert wait(start(place, shipped())) == 0, place.says
    assert records(place) == campaign.expected
    assert not half.exists()
    return f"{found} of {found} damaged files found; trained again to the same weights"


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _together(campaign: Campaign, name: str, count: int, kills: int, database: str | None = None) -> str:
    place = campaign.place(name, database)
    note = place.folder / "ran"
    body = (
        f"fd = os.open({str(note)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "os.write(fd, (' '.join(map(str, problem.forget_positions.tolist())) + '\\n').encode())\n"
        "time.sleep(0.3)\nreturn problem.original()"
    )
    suite = replace(SUITE, discovery_rates=(0.2, 0.4, 0.6, 0.8, 1.0))
    noting = written(place.folder, "notes", body)
    pids = [start(place, [noting], suite=suite) for _ in range(count)]
    if kills:
        while not note.exists():
            time.sleep(0.02)
        kill(pids[0], *descendants(pids[0]))
    codes = [wait(pid) for pid in pids]
    assert codes == [-9] * kills + [0] * (count - kills), place.says
    log = (place.folder / "log").read_text() if (place.folder / "log").exists() else ""
    assert "locked" not in log, log
    ran = Counter(note.read_text().splitlines())
    assert len(trials(place)) == len(ran) == 10, (len(trials(place)), len(ran))
    assert sum(ran.values()) <= 10 + kills, "a trial ran twice"
    return f"{len(ran)} trials, {sum(ran.values())} runs of them"


def two_at_once(campaign: Campaign) -> str:
    """Two harnesses on one store and one cache."""
    return _together(campaign, "two", 2, 0)


def four_at_once(campaign: Campaign) -> str:
    """Four harnesses on one store and one cache."""
    return _together(campaign, "four", 4, 0)


def one_of_two_killed(campaign: Campaign) -> str:
    """Two harnesses, one of them killed with a trial in its hands; the other takes that over."""
    return _together(campaign, "survivor", 2, 1)


def clock_set_back(campaign: Campaign) -> str:
    """The clock a day back between two runs: runs stay in their order, and no duration is negative."""
    place = campaign.place("clock")
    assert wait(start(place, shipped()[:1])) == 0, place.says

    class Back(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=1)

    def set_back() -> None:
        run_module.datetime = Back  # type: ignore[attr-defined]

    assert wait(start(place, shipped(), before=set_back)) == 0, place.says
    from sqlalchemy import create_engine, text

    engine = create_engine(place.database)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT started_at, finished_at FROM runs ORDER BY rowid")).all()
        least = connection.execute(text("SELECT MIN(total_seconds), MIN(seconds) FROM trials")).one()
    engine.dispose()
    starts = [row[0] for row in rows]
    assert starts == sorted(starts)
    assert all(row[1] > row[0] for row in rows)
    assert min(least) > 0
    assert records(place) == campaign.expected
    return "runs in their order, all durations positive, same records"


SCENARIOS: dict[str, Callable[[Campaign], str]] = {
    "harness killed": harness_killed,
    "trial killed": trial_killed,
    "guardian killed": guardian_killed,
    "fork server killed": server_killed,
    "disk full": disk_full,
    "original damaged": original_damaged,
    "two at once": two_at_once,
    "four at once": four_at_once,
    "one of two killed": one_of_two_killed,
    "clock set back": clock_set_back,
}
