"""What the tests of every distribution share: the servers that a test may need, and hypothesis's settings.

A test marked `@pytest.mark.needs("prism")`, or `needs(modules=["twilio"])`, is skipped where that program or module
is not installed, and fails there when ALERT_CORE_REQUIRE_SERVERS is set, as `nox -s e2e` and `nox -s wire` do.
`needs("debian/exim")` is for the folder of .nox/ that `nox -s e2e` unpacks.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

REQUIRED = bool(os.environ.get("ALERT_CORE_REQUIRE_SERVERS"))
NOX = Path(__file__).parent / ".nox"
# Where Debian keeps its servers.
SEARCH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
)

settings.register_profile("default", deadline=None)  # shared machines stall: only an example's result counts
settings.load_profile("default")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail where servers are required, a test that needs what is not installed."""
    for marker in item.iter_markers("needs"):
        missing = [name for name in marker.args if not (shutil.which(name, path=SEARCH) or (NOX / name).is_dir())]
        missing += [name for name in marker.kwargs.get("modules", ()) if not importlib.util.find_spec(name)]
        if missing and REQUIRED:
            session = "wire" if "wire" in item.path.parts else "e2e"
            pytest.fail(f"not installed: {', '.join(missing)}; `nox -s {session}` installs it", pytrace=False)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
