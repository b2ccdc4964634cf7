"""The samples of this folder, installed as a plugin's distribution would be, and their contracts run."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SAMPLES = Path(__file__).parent / "samples"
METADATA = "Metadata-Version: 2.1\nName: samples\nVersion: 1.0\n"
ENTRY_POINTS = "[alert_core.plugins]\nsamples = samples.plugin\nheavy = samples.heavy\n"
AT_ONCE = 5  # they mostly wait for timeouts
SLOW = "Hangs"


@dataclass
class Result:
    """What became of the tests of a contract class: names, and the failures' messages."""

    passed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    output: str = ""


Run = "Callable[..., dict[str, Result]]"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path of the processes under test, with the samples installed in it."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(SAMPLES, site / "samples", ignore=shutil.ignore_patterns("__pycache__"))
    information = site / "samples-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(METADATA)
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    return site


def run_pytest(site: Path, *arguments: str) -> dict[str, Result]:
    """Run pytest in a process of its own; its results, by class."""
    report = site / f"report-{abs(hash(arguments))}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", f"--junitxml={report}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ALERT_", "PYTEST_"))}
    environment["PYTHONPATH"] = str(site)
    done = subprocess.run(
        [*command, "--rootdir", str(site), *arguments],
        cwd=site,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    results: dict[str, Result] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = case.get("name", "")
        result = results.setdefault(case.get("classname", "").rpartition(".")[2], Result(output=done.stdout))
        failure, skipped = case.find("failure"), case.find("skipped")
        failure = case.find("error") if failure is None else failure
        if failure is not None:
            result.failed[name] = failure.get("message", "") + (failure.text or "")
        elif skipped is not None:
            result.skipped[name] = skipped.get("message", "")
        else:
            result.passed.add(name)
    return results


@pytest.fixture(scope="session")
def run(site: Path) -> Callable[..., dict[str, Result]]:
    """Run pytest on a file of the site: its path, and further arguments."""
    return lambda *arguments: run_pytest(site, *arguments)


@pytest.fixture(scope="session")
def contracts(site: Path) -> dict[str, Result]:
    """The results of every sample's contract."""
    kinds = runpy.run_path(str(SAMPLES / "plugin.py"))["KINDS"]
    names = [f"Test{kind}" for kind in (*kinds, "Heavy", "Lines") if kind != SLOW]
    groups = [[f"Test{SLOW}"], *(names[start::AT_ONCE] for start in range(AT_ONCE))]

    def contract(group: Iterable[str]) -> dict[str, Result]:
        return run_pytest(site, *(f"samples/contracts.py::{name}" for name in group))

    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        return {name: result for results in pool.map(contract, groups) for name, result in results.items()}
