"""What the documentation shows works: its blocks are run as run_page.py says, without a network."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATTERNS = ("README.md", "docs/**/*.md", "core/README.md", "plugins/*/README.md")
PAGES = [path for glob in PATTERNS for path in sorted(ROOT.glob(glob)) if "_build" not in path.parts]
TESTS_LINE = "python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox -s tests"

Run = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_page(tmp_path: Path) -> Run:
    """Run a page in an empty folder, with an environment that holds nothing of ours."""
    environment = {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "PYTHONPATH": str(HERE / "offline"),
    }

    def run(page: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(HERE / "run_page.py"), str(page)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def run_text(run_page: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Run a page of this text; its standard error, which is empty where all is well."""

    def run(text: str) -> str:
        page = tmp_path_factory.mktemp("page") / "page.md"
        page.write_text(text)
        done = run_page(page)
        assert bool(done.returncode) == bool(done.stderr)
        return done.stderr

    return run


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_block_of_the_page_works(page: Path, run_page: Run) -> None:
    done = run_page(page)
    assert done.returncode == 0, done.stderr


def test_the_readme_and_ci_run_the_tests_by_the_same_line() -> None:
    assert TESTS_LINE in (ROOT / "README.md").read_text()
    assert TESTS_LINE in (ROOT / ".ci" / "run").read_text()


def test_the_python_blocks_of_a_page_share_a_namespace(run_text: Callable[[str], str]) -> None:
    assert run_text("```python\na = 1\n```\n\n```python\nassert a == 1\n```\n") == ""


def test_a_python_block_that_raises_is_told_with_the_line_of_its_page(run_text: Callable[[str], str]) -> None:
    told = run_text("Some text.\n\n```python\na = 1\nraise ValueError(a)\n```\n")
    assert 'page.md", line 5' in told
    assert "ValueError: 1" in told


def test_a_page_cannot_reach_the_network(run_text: Callable[[str], str]) -> None:
    told = run_text("```python\nimport socket\nsocket.create_connection(('192.0.2.1', 80))\n```\n")
    assert "PermissionError: a page of the docs may not connect to 192.0.2.1" in told


def test_a_toml_block_is_loaded_as_a_configuration(run_text: Callable[[str], str]) -> None:
    assert "targets.a" in run_text('```toml\n[targets.a]\ntype = "nonsense"\n```\n')
    assert run_text('```toml\n[targets.a]\ntype = "noop"\n```\n') == ""


def test_a_toml_block_of_another_file_is_only_parsed(run_text: Callable[[str], str]) -> None:
    assert run_text('```toml\n# pyproject.toml\n[project]\nname = "a"\n```\n') == ""
    assert "TOMLDecodeError" in run_text("```toml\n# pyproject.toml\n[project\n```\n")


def test_a_toml_block_can_go_on_with_the_one_before(run_text: Callable[[str], str]) -> None:
    target = '```toml\n[targets.a]\ntype = "noop"\n```\n'
    route = '```toml\n[[routes]]\nname = "default"\ntargets = ["a"]\n```\n'
    assert run_text(f"{target}\n<!-- test: append -->\n{route}") == ""
    assert "ConfigError" in run_text(f"{target}\n{route}")


def test_a_console_block_runs_only_where_marked(run_text: Callable[[str], str]) -> None:
    assert run_text("```console\n$ false\n```\n") == ""
    assert "$ false\nended with 1" in run_text("<!-- test: run -->\n```console\n$ false\n```\n")
    assert run_text("<!-- test: exit 1 -->\n```console\n$ false\n```\n") == ""


def test_the_output_of_a_console_block_is_compared(run_text: Callable[[str], str]) -> None:
    page = "<!-- test: run -->\n```console\n$ echo one two three\n{}\n$ true\n```\n"
    assert run_text(page.format("one ... three")) == ""
    assert "printed:\none two three" in run_text(page.format("one ... four"))


def test_the_output_of_a_python_block_is_compared_where_marked(run_text: Callable[[str], str]) -> None:
    page = "```python\nprint('one')\n```\n\n<!-- test: output -->\n```text\n{}\n```\n"
    assert run_text(page.format("one")) == ""
    assert "printed:\none" in run_text(page.format("two"))


def test_a_skipped_block_says_why(run_text: Callable[[str], str]) -> None:
    assert run_text("<!-- test: skip (needs Django) -->\n```python\n1 / 0\n```\n") == ""
    assert "says why" in run_text("<!-- test: skip -->\n```python\n1 / 0\n```\n")


def test_a_misspelt_comment_is_a_fault(run_text: Callable[[str], str]) -> None:
    assert "unknown comment `test: skipp`" in run_text("<!-- test: skipp (a) -->\n")


SENDING = """
<!-- test: env URL={http}/hook -->
<!-- test: env PORT={smtp} -->
```python
import os
import smtplib
from urllib.request import urlopen

assert urlopen(os.environ["URL"], b"over HTTP").read() == b"ok"
with smtplib.SMTP("127.0.0.1", int(os.environ["PORT"])) as client:
    client.sendmail("a@example.org", ["b@example.org"], "by mail")
```
"""


def test_what_a_page_sends_arrives_at_the_receivers(run_text: Callable[[str], str]) -> None:
    assert run_text(SENDING + "<!-- test: received over HTTP -->\n") == ""
    assert run_text(SENDING + "<!-- test: received by mail -->\n") == ""
    assert "not received: by pigeon" in run_text(SENDING + "<!-- test: received by pigeon -->\n")
