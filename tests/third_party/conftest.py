"""The plugins of tests/third_party/plugins, built and installed beside the core's wheel in a new environment."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "core"
PLUGINS = sorted((Path(__file__).parent / "plugins").iterdir())

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def build(project: Path, folder: Path) -> None:
    """Build the project's wheel into the folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def core_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core's wheel, alone in its folder."""
    folder = tmp_path_factory.mktemp("core-wheel")
    build(CORE, folder)
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="session")
def third_party(core_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that has the core and every plugin of PLUGINS."""
    built = tmp_path_factory.mktemp("third-party-wheels")
    for project in PLUGINS:
        build(project, built)
    folder = tmp_path_factory.mktemp("third-party")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
    install = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "install", str(core_wheel)]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*install, *map(str, built.iterdir())], check=True, env=outside, timeout=600)
    return folder / "bin"


@pytest.fixture
def run(third_party: Path, tmp_path: Path) -> Run:
    """Run a program of that environment in an empty folder, with no variable but EXAMPLE_NOTES and those given."""

    def run(program: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(third_party / program), *arguments],
            cwd=tmp_path,
            env={"EXAMPLE_NOTES": str(tmp_path / "notes"), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
