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

pytestmark = pytest.mark.chaos


def script(name: str, *arguments: str) -> Any:
    """Run one of the scripts beside this file; the JSON that it prints."""
    command = [sys.executable, "-W", "ignore", str(HERE / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def arguments(database: dict[str, Any], tmp_path: Path, option: str = "--url") -> list[str]:
    given = [option, database["url"]] if "url" in database else []
    return [str(tmp_path), *filter(None, given)]


def test_an_end_at_each_point_in_each_way_loses_nothing_and_repeats_only_what_was_not_marked(
    database: dict[str, Any], tmp_path: Path
) -> None:
    results = script("crash.py", *arguments(database, tmp_path, option=""))
    assert len(results) == 5 * 3
    for result in results:
        assert result["status"] == STATUS[result["way"]], result
        times = {"before the commit": 0, "after the answer": 2}.get(result["point"], 1)
        title = "Digest daily: 1 fired, 0 resolved, 1 still open" if "digest" in result["point"] else "t"
        assert result["delivered"] == [title] * times, result


def test_twenty_kills_at_random_under_load_lose_nothing(database: dict[str, Any], tmp_path: Path) -> None:
    counted = script("chaos.py", *arguments(database, tmp_path), "--kills", "20")
    assert counted["kills"] == 20
    assert counted["accepted"] > 20
    assert (counted["lost"], counted["unexpected"], counted["failed"], counted["refused"]) == ([], [], [], [])
    assert counted["duplicates"] <= counted["duplicates_allowed"]
    assert counted["last_ended_well"]
