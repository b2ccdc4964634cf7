"""The wheels of every distribution, built once, alone in a new environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = (
    "core",
    *(str(path.parent.relative_to(ROOT)) for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))),
)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The built wheels, in the order of DISTRIBUTIONS."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in DISTRIBUTIONS:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
        subprocess.run(build, check=True, capture_output=True, timeout=300)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that has the wheels and what they depend on, no more."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet"]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "install", *map(str, wheels)], check=True, env=outside, timeout=600)
    subprocess.run([*pip, "check"], check=True, env=outside, timeout=60)
    return folder / "bin"
