"""The fixtures, in a project that asks for them, and in one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TESTS = """
import urllib.request
import alert_core

def test_capture(capture_alerts):
    alert_core.send("Disk full")
    capture_alerts.assert_sent(title="Disk full", times=1)

def test_clock(virtual_clock):
    assert virtual_clock.monotonic() == 0

def test_stand_in(http_stand_in):
    with urllib.request.urlopen(f"http://127.0.0.1:{http_stand_in.port}/", timeout=20) as answer:
        assert answer.status == 200
"""
NAMES = {"test_capture", "test_clock", "test_stand_in"}


def results(folder: Path, run: Callable[..., Any], conftest: str) -> Any:
    (folder / "test_it.py").write_text(TESTS)
    (folder / "conftest.py").write_text(conftest)
    return run(str(folder), "--rootdir", str(folder), "-c", "/dev/null")["test_it"]


def test_a_project_that_names_the_module_has_the_fixtures(tmp_path: Path, run: Callable[..., Any]) -> None:
    found = results(tmp_path, run, 'pytest_plugins = ["alert_core.testing.fixtures"]\n')
    assert (found.passed, found.failed) == (NAMES, {})


def test_a_project_that_does_not_has_none_of_them(tmp_path: Path, run: Callable[..., Any]) -> None:
    found = results(tmp_path, run, "")
    assert set(found.failed) == NAMES
    assert all("not found" in message for message in found.failed.values())
