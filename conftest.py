"""What the tests of every distribution share: the servers that a test may need, and hypothesis's settings.

A test marked `@pytest.mark.needs("prism")`, or `needs(modules=["twilio"])`, is skipped where that program or module
is not installed, and fails there when ALERT_CORE_REQUIRE_SERVERS is set, as `nox -s e2e`, `page` and `wire` do.
`needs("debian/exim")` is for the folder of .nox/ that `nox -s e2e` unpacks.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

REQUIRED = bool(os.environ.get("ALERT_CORE_REQUIRE_SERVERS"))
ROOT = Path(__file__).parent
NOX = ROOT / ".nox"
# Where Debian keeps its servers.
SEARCH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
)

# The same examples everywhere, so that a failure is everyone's; `nox -s fuzz` and `random` look for new ones.
# Without a deadline, since shared machines stall: only an example's result counts.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, max_examples=500)
settings.register_profile("few", parent=settings.get_profile("default"), max_examples=10)
settings.load_profile("default")

ONE_PROCESS = tuple(
    ROOT / folder
    for folder in (
        "core/tests/testing",
        "plugins/alert-outbox/tests",
        "plugins/alert-sandbox/tests",
        "tests/third_party",
        "tests/wheels",
    )
)
"""Folders whose tests share what takes seconds to make: pytest-xdist keeps each of them in one process."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests of ONE_PROCESS for pytest-xdist, and run them first: the others fill the gaps."""
    for item in items:
        folder = next((folder for folder in ONE_PROCESS if item.path.is_relative_to(folder)), None)
        if folder:
            item.add_marker(pytest.mark.xdist_group(str(folder)))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail where servers are required, a test that needs what is not installed."""
    for marker in item.iter_markers("needs"):
        missing = [name for name in marker.args if not (shutil.which(name, path=SEARCH) or (NOX / name).is_dir())]
        missing += [name for name in marker.kwargs.get("modules", ()) if not importlib.util.find_spec(name)]
        if missing and REQUIRED:
            parts = item.path.parts
            session = "wire" if {"wire", "clients"} & {*parts} else "page" if "alert-sandbox" in parts else "e2e"
            pytest.fail(f"not installed: {', '.join(missing)}; `nox -s {session}` installs it", pytrace=False)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
