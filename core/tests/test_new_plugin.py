"""`alertctl new-plugin NAME`: what it writes, and what it refuses. tests/third_party installs what it writes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alert_core.cli import main
from alert_core.plugins import FIRST_PARTY

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[str], tuple[int, str, str]]

FILES = {
    "README.md",
    "pyproject.toml",
    "src/alert_pager/__init__.py",
    "src/alert_pager/plugin.py",
    "src/alert_pager/py.typed",
    "src/alert_pager/transport.py",
    "tests/test_contract.py",
}
NAMES = ["pager", "my-2nd-pager", "a"]


@pytest.fixture
def new_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `alertctl new-plugin` in an empty folder: its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(name: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["new-plugin", "--", name])
        assert isinstance(caught.value.code, int)
        return caught.value.code, *capsys.readouterr()

    return run


def tool(*arguments: str, cwd: str) -> str:
    """What a tool of Python's has to say of a project."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_it_writes_a_project_and_says_what_comes_next(new_plugin: Run) -> None:
    status, out, err = new_plugin("pager")
    assert (status, err) == (0, "")
    folder = Path("alert-pager")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == FILES
    assert [line.strip() for line in out.splitlines() if line.startswith("  ")] == [
        "cd alert-pager",
        'python -m pip install -e ".[testing]"',
        "python -m pytest",
    ]


def test_the_project_has_one_entry_point_and_pins_this_series_of_the_core(new_plugin: Run) -> None:
    new_plugin("pager")
    project = tomllib.loads(Path("alert-pager/pyproject.toml").read_text())["project"]
    ours = tomllib.loads((Path(__file__).parents[2] / "plugins/alert-slack/pyproject.toml").read_text())["project"]
    assert project["name"] == "alert-pager"
    assert project["entry-points"] == {"alert_core.plugins": {"pager": "alert_pager.plugin"}}
    assert project["dependencies"] == ours["dependencies"]


def test_a_name_of_several_words_is_written_as_each_place_needs_it(new_plugin: Run) -> None:
    new_plugin("my-2nd-pager")
    written = Path("alert-my-2nd-pager/src/alert_my_2nd_pager/transport.py").read_text()
    assert "class My2ndPagerTransport(HttpTransport)" in written
    assert 'kind = "my-2nd-pager"' in written
    assert 'env="ALERT_MY_2ND_PAGER_TOKEN"' in written


@pytest.mark.parametrize("name", NAMES)
def test_the_project_is_clean_by_ruffs_own_defaults(new_plugin: Run, name: str) -> None:
    new_plugin(name)
    assert tool("ruff", "check", "--isolated", "--no-cache", ".", cwd=f"alert-{name}") == ""
    assert tool("ruff", "format", "--isolated", "--no-cache", "--check", ".", cwd=f"alert-{name}") == ""


def test_the_project_is_clean_by_mypy_strict(new_plugin: Run) -> None:
    new_plugin("pager")
    assert tool("mypy", "--strict", "src", "tests", cwd="alert-pager") == ""


@pytest.mark.parametrize("name", ["", "Pager", "2pager", "pa_ger", "pa ger", "pager-", "pa--ger", "pagér", "../pager"])
def test_a_name_that_no_distribution_can_have_is_refused(new_plugin: Run, name: str) -> None:
    status, _, err = new_plugin(name)
    assert status == 2
    assert "is no name: write lower-case letters, digits and single hyphens, as my-pager" in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "name", sorted({*FIRST_PARTY, "console", "core", "failover", "http", "memory", "noop", "sandbox", "sms"})
)
def test_a_name_of_our_own_is_refused(new_plugin: Run, name: str) -> None:
    status, _, err = new_plugin(name)
    assert status == 2
    assert f"{name} is a name of alert-core's own; choose another" in err
    assert list(Path().iterdir()) == []


def test_a_name_that_begins_with_alert_is_told_what_to_write(new_plugin: Run) -> None:
    status, _, err = new_plugin("alert-pager")
    assert status == 2
    assert "leave alert- out: alertctl new-plugin pager" in err


def test_what_exists_already_is_left_alone(new_plugin: Run) -> None:
    Path("alert-pager").mkdir()
    Path("alert-pager/mine").write_text("mine")
    status, _, err = new_plugin("pager")
    assert status == 2
    assert "alert-pager exists already; remove it, or choose another name" in err
    assert [path.name for path in Path("alert-pager").iterdir()] == ["mine"]
