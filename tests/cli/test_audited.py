"""An audited board from its first seed to its opening: nothing that is published or that a trial sees has a seed."""

from __future__ import annotations

import os
import re
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.cli.conftest import Call, called, one_sentence
from tests.submission import NOTHING, TUNE, written
from tests.tiny import tiny_toml
from unlearnbench.boundary.boundary import Boundary
from unlearnbench.errors import UsageError
from unlearnbench.problems.secret_seeds import SecretSeeds, read
from unlearnbench.store.schema import TrialRow
from unlearnbench.store.store import Store

SUITE = {"corruptions": ["random-swap", "class-swap"], "discovery_rates": [0.5], "seeds": [0]}
TELLS = """said = [problem, problem.generator.initial_seed(), torch.initial_seed(), os.listdir('/given')]
said += [os.listdir('/tmp'), os.environ, os.getcwd(), sys.argv, sys.path, open('/proc/self/cmdline').read()]
frame = sys._getframe()
while 'order' not in frame.f_locals:
    frame = frame.f_back
said.insert(0, sorted(frame.f_locals['order'].given.values()))
said.insert(0, __import__('resource').getrlimit(7))
raise ValueError(' '.join(map(str, said))[:3500])"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an audited board of two seeds, which was run at `strict`."""
    try:
        with Boundary("strict"):
            pass
    except UsageError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("audited")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, body in {"mine": TUNE, "original": NOTHING, "tells": TELLS}.items():
            written(folder / "submissions", name, body)
        (folder / "suites").mkdir()
        (folder / "suites" / "tiny.toml").write_text(tiny_toml(**SUITE))
        assert called("draw-seeds", "secret.toml", "--count", "2") == 0
        assert called("run", "tiny", "--seeds-from", "secret.toml", "--isolation", "strict") == 0
    return folder


@pytest.fixture
def place(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change, and to be in."""
    shutil.copytree(ran, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def secrets(place: Path) -> SecretSeeds:
    return read(place / "secret.toml")


@pytest.fixture
def name(secrets: SecretSeeds) -> str:
    return f"tiny-audited-{secrets.commitment[:8]}"


def leaks(folder: Path, secrets: SecretSeeds) -> Iterator[str]:
    """The files other than that of the seeds that have a seed, in their names or contents."""
    forms = {form(seed) for seed in secrets.seeds for form in (str, "{:x}".format, "{:X}".format, "{:_}".format)}
    forms |= {f"{seed:,}" for seed in secrets.seeds}
    raw = {seed.to_bytes(8, order) for seed in secrets.seeds for order in ("big", "little")}
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "secret.toml":
            content = str(file).encode() + file.read_bytes()
            if any(form.encode() in content for form in forms) or any(part in content for part in raw):
                yield str(file)


def test_nothing_but_the_file_of_seeds_has_a_seed(place: Path, call: Call, secrets: SecretSeeds, name: str) -> None:
    for command in (
        ("leaderboard", name, "--out", "board", "--isolation", "strict"),
        ("baseline", name, "--out", "baseline.csv"),
        ("store", "export", "--out", "trials.jsonl"),
        ("store", "info"),
        ("store", "dump", name, "--out", "dump", "--seeds-from", "secret.toml"),
        ("originals", "export", name, "--out", "originals", "--seeds-from", "secret.toml"),
        ("table", name, "--out", "table.md", "--format", "markdown"),
        ("plot", "maps", name, "--out", "maps.svg"),
    ):
        result = call(*command)
        assert result.code == 0, (command, result.err)
        (place / "printed").open("a").write(result.out + result.err)
    assert len(list(place.rglob("*"))) > 30
    assert list(leaks(place, secrets)) == []
    (place / "planted").write_text(f"x{secrets.seeds[1]:x}x")
    assert list(leaks(place, secrets)) == [str(place / "planted")]


def test_what_a_trial_sees_was_looked_at(place: Path) -> None:
    """It is in the store, as the reason and detail of the trial that told it."""
    with Store("data/unlearnbench.db", create=False) as store, Session(store.engine) as session:
        failed = session.scalars(select(TrialRow).where(TrialRow.state == "failed")).all()
    assert len(failed) == 4
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for trial in failed:
        assert trial.isolation == "strict"
        assert "training_set.safetensors" in (trial.detail or "")
        assert re.search(r"Budget\(steps=4", trial.detail or "")
        assert re.search(r"\((\d+), \1\)", trial.detail or "")[1] in ("4096", str(most)), "open files"  # type: ignore[index]
        assert "/original'" in (trial.detail or ""), "where its files came from is in its memory"
        assert trial.original_key not in (trial.detail or ""), "a hash of the kind of corruption and the seed's number"


@pytest.mark.usefixtures("undrawn")
def test_pages_say_that_a_board_is_audited_or_open(place: Path, call: Call, secrets: SecretSeeds, name: str) -> None:
    assert call("leaderboard", name, "--out", "board").code == 0
    words = f"Audited board: its seeds are secret, with commitment {secrets.commitment}."
    for file in ("ranking.md", f"site/{name}/index.html"):
        assert words in (place / "board" / file).read_text()
    page = (place / "board" / "site" / name / "method-mine.html").read_text()
    assert "unlearnbench run tiny --seeds-from FILE --method mine --isolation strict" in page
    assert re.search(r"unlearnbench rerun \w+ --seeds-from FILE", page)
    page = (place / "board" / "site" / name / "provenance.html").read_text()
    assert "unlearnbench run tiny --seeds-from FILE --isolation strict" in page
    assert f"unlearnbench store recompute --suite {name} --seeds-from FILE" in page
    ran = call("run", "tiny", "--method", "original")
    assert "Open board: its seeds are public." in ran.out, ran.err
    assert call("leaderboard", "tiny", "--out", "open").code == 0
    for file in ("ranking.md", "site/tiny/index.html"):
        assert "Open board: its seeds are public." in (place / "open" / file).read_text()


def test_what_tells_which_samples_are_corrupted_is_written_only_with_the_seeds(
    place: Path, call: Call, name: str
) -> None:
    assert call("draw-seeds", "other.toml", "--count", "2").code == 0
    for command in (("store", "dump", name, "--out", "made"), ("originals", "export", name, "--out", "made")):
        one_sentence(call(*command), 2, "is audited", "--seeds-from")
        one_sentence(call(*command, "--seeds-from", "other.toml"), 2, "was not drawn from these secret seeds")
        assert not (place / "made").exists()


def test_an_open_board_is_verified_and_repeated(place: Path, call: Call, secrets: SecretSeeds, name: str) -> None:
    with Store("data/unlearnbench.db", create=False) as store, Session(store.engine) as session:
        finished = session.scalars(select(TrialRow).where(TrialRow.state == "finished")).all()
    weights = {trial.weights_hash for trial in finished}
    assert len(finished) == 8
    verified = call("store", "recompute", "--suite", name, "--seeds-from", "secret.toml")
    assert (verified.code, verified.out) == (0, "8 finished trials recomputed\n"), verified.err
    one_sentence(call("store", "recompute", "--suite", name), 2, "are secret: give their file")
    again = call("rerun", finished[0].key, "--seeds-from", "secret.toml")
    assert again.code == 0, again.out + again.err
    one_sentence(call("rerun", finished[0].key), 2, "are secret: give their file")

    assert call("store", "dump", name, "--out", "dumped", "--seeds-from", "secret.toml").code == 0
    files = sorted(map(str, Path("dumped").glob("*.jsonl")))
    one_sentence(call("store", "load", *files, "--database", "loaded.db"), 2, "are secret: give their file")
    assert not Path("loaded.db").exists()
    loaded = call("store", "load", *files, "--database", "loaded.db", "--seeds-from", "secret.toml")
    assert loaded.code == 0, loaded.err
    merged = call("store", "merge", "loaded.db", "--database", "merged.db", "--seeds-from", "secret.toml")
    assert "12 trials added" in merged.out, merged.err

    # The same numbers on an open board, at any level.
    Path("suites/tiny.toml").write_text(tiny_toml(**SUITE | {"seeds": list(secrets.seeds)}))
    assert call("run", "tiny", "--database", "open.db", "--data", "other").code == 0
    with Store("open.db", create=False) as store, Session(store.engine) as session:
        opened = session.scalars(select(TrialRow).where(TrialRow.state == "finished")).all()
    assert {trial.weights_hash for trial in opened} == weights
    mixed = call("store", "merge", "open.db", "loaded.db", "--database", "merged.db", "--seeds-from", "secret.toml")
    assert mixed.code == 0, "seeds are for the suite that was drawn from them"
    assert call("store", "recompute", "--database", "merged.db", "--seeds-from", "secret.toml").code == 0


def test_a_board_with_other_seeds_under_its_commitment_is_refused(place: Path, call: Call, name: str) -> None:
    """Its owner runs other seeds than those it has committed to."""
    with Store("data/unlearnbench.db", create=False) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE problems SET training_fingerprint = 'other' WHERE corruption_seed = 2")
    one_sentence(
        call("store", "recompute", "--suite", name, "--seeds-from", "secret.toml"), 2, "seed 2, now corrupts 'digits'"
    )


def test_check_runs_an_audited_board_again(place: Path, call: Call, name: str) -> None:
    assert call("baseline", name, "--out", "baseline.csv").code == 0
    check = ("check", "--against", "baseline.csv", "--method", "mine", "--isolation", "strict")
    result = call(*check, "--seeds-from", "secret.toml")
    assert result.code == 0, result.out + result.err
    assert "no regression" in result.out
    one_sentence(call(*check), 2, f"unknown suite '{name}'")


def test_secret_seeds_at_a_level_that_shows_them_are_refused(place: Path, call: Call) -> None:
    one_sentence(call("run", "tiny", "--seeds-from", "secret.toml"), 2, "secret seeds", "use --isolation strict")
