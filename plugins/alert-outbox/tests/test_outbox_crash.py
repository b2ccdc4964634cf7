"""What was accepted survives the end of the process, wherever and however it comes; on both databases."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STATUS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": -signal.SIGTERM, "os._exit": 3}


def script(name: str, *arguments: str) -> Any:
    """Run one of the scripts beside this file; the JSON that it prints."""
    command = [sys.executable, "-W", "ignore", str(HERE / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_200, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def arguments(database: dict[str, Any], tmp_path: Path) -> list[str]:
    return [str(tmp_path), *(["--url", database["url"]] if "url" in database else [])]


def ended_at_each_point(database: dict[str, Any], tmp_path: Path, *ways: str) -> None:
    """What was delivered in all, after another process has gone on: and nothing that is unexpected."""
    results = script("crash.py", *arguments(database, tmp_path), "--ways", *ways)
    assert len(results) == 6 * len(ways)
    for result in results:
        assert result["status"] == STATUS[result["way"]], result
        expected = {
            "before the commit": [],
            "after the answer": ["t", "t"],
            "during the digest's claim": ["Digest daily: 1 fired, 0 resolved, 1 still open"],
            "after the dead letter's commit, before it is told": ["t: dead_letter"],
        }.get(result["point"], ["t"])
        assert result["delivered"] == expected, result


def killed_at_random(database: dict[str, Any], tmp_path: Path, kills: int) -> None:
    """Nothing is lost, and no more is doubled than was under way at a kill."""
    counted = script("chaos.py", *arguments(database, tmp_path), "--kills", str(kills))
    assert counted["kills"] == kills
    assert counted["accepted"] > kills
    assert (counted["lost"], counted["unexpected"], counted["failed"], counted["refused"]) == ([], [], [], [])
    assert counted["duplicates"] <= counted["duplicates_allowed"]
    assert counted["last_ended_well"]


def test_a_kill_at_each_point_loses_nothing_and_repeats_only_what_was_not_marked(tmp_path: Path) -> None:
    ended_at_each_point({}, tmp_path, "SIGKILL")


@pytest.mark.chaos
def test_an_end_at_each_point_in_each_way_loses_nothing_and_repeats_only_what_was_not_marked(
    database: dict[str, Any], tmp_path: Path
) -> None:
    ended_at_each_point(database, tmp_path, *STATUS)


def test_twenty_kills_at_random_under_load_lose_nothing(tmp_path: Path) -> None:
    killed_at_random({}, tmp_path, 20)


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_kills_at_random_under_load_lose_nothing_on_postgresql(database: dict[str, Any], tmp_path: Path) -> None:
    killed_at_random(database, tmp_path, 4)


@pytest.mark.chaos
def test_two_hundred_kills_at_random_under_load_lose_nothing(database: dict[str, Any], tmp_path: Path) -> None:
    killed_at_random(database, tmp_path, 200)
