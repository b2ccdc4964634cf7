"""The fuzz runner: every target runs, and one that is broken is caught, and caught again by its seed."""

import os
import re
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parent / "fuzz"
PLANTED = """
import sys
from hypothesis import strategies as st
from runner import run
from targets import Target

def sound(number):
    pass

def broken(number):
    if number > 1000:
        raise LookupError("planted")

numbers = st.tuples(st.integers())
sys.exit(0 if run([Target("sound", numbers, sound), Target("broken", numbers, broken)], 2, int(sys.argv[1])) else 1)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environ | {"PYTHONPATH": str(FUZZ)}, capture_output=True, text=True, timeout=120, check=False
    )


def planted(seed: int) -> subprocess.CompletedProcess[str]:
    return run("-c", PLANTED, str(seed))


def test_every_target_runs_within_the_time_and_the_seed_is_told() -> None:
    done = run(str(FUZZ), "2", "--seed", "1")
    assert done.stdout.startswith("seed 1: "), done.stderr
    counts = re.findall(r"^\w+ +([\d,]+) examples  (ok|FAILED)$", done.stdout, re.MULTILINE)
    assert len(counts) == int(done.stdout.split()[2])
    assert all(count != "0" for count, _ in counts)
    assert done.returncode == ("FAILED" in done.stdout)


def test_a_broken_target_is_told_by_its_smallest_example_and_seed_and_the_exit_status_is_1() -> None:
    done = planted(7)
    assert done.returncode == 1, done.stderr
    assert re.search(r"^sound .* ok$", done.stdout, re.MULTILINE)
    assert re.search(r"^broken .* FAILED$", done.stdout, re.MULTILINE)
    assert "broken failed with seed 7, turn 1; the smallest example:\n    1001\n" in done.stdout
    assert "LookupError: planted" in done.stdout
    assert "--seed 7 --only broken" in done.stdout
    assert "\033" not in done.stdout


def test_the_same_seed_finds_the_same_after_as_many_examples() -> None:
    def found(seed: int) -> list[str]:
        return re.findall(r"^broken .*$", planted(seed).stdout, re.MULTILINE)

    assert found(7) == found(7) != []


def test_an_unknown_target_is_refused_with_the_names_of_all() -> None:
    done = run(str(FUZZ), "1", "--only", "nothing")
    assert done.returncode == 2
    assert "redact_text" in done.stderr
