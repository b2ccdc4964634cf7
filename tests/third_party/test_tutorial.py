"""docs/tutorial-transport.md does what it says: its commands are run in one shell, against the built wheel.

A console command's output is compared where the page shows it, `...` standing for anything. A block whose first line is
`# a/file.py` must be what the commands before it have written there; where they have not, it is written.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

PAGE = Path(__file__).parents[2] / "docs" / "tutorial-transport.md"
FILE = re.compile(r"# (?P<name>[\w/.]+\.(?:py|toml))\n(?P<content>.*)", re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Each command of the page, with the output that it shows; a file's block as a command too."""
    found = []
    for token in MarkdownIt().parse(PAGE.read_text()):
        if token.type != "fence":
            continue
        if file := FILE.fullmatch(token.content):
            name, content = shlex.quote(file["name"]), shlex.quote(file["content"])
            found.append((f"[ -e {name} ] || printf %s {content} >{name}; printf %s {content} | diff {name} -", ""))
        elif token.info == "console":
            for part in re.split(r"^\$ ", token.content, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


@pytest.fixture
def environment(core_wheel: Path, tmp_path: Path) -> dict[str, str]:
    """Variables by which pip finds the built core, and takes its very version; none that configures alerts."""
    constraint = tmp_path / "constraint.txt"
    constraint.write_text("alert-core=={}\n".format(core_wheel.name.split("-")[1]))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ALERT_", "PYTHON", "PYTEST"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return ours | {"PATH": path, "PIP_CONSTRAINT": str(constraint), "PIP_FIND_LINKS": str(core_wheel.parent)}


def test_the_page_leads_from_new_plugin_to_a_delivered_alert(
    environment: dict[str, str], core_wheel: Path, tmp_path: Path
) -> None:
    given = commands()
    script = "".join(f"{command}\nstatus=$?; printf '\\0'; [ $status = 0 ] || exit\n" for command, _ in given)
    folder = tmp_path / "new"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    *printed, rest = done.stdout.split("\0")
    assert len(printed) == len(given), f"$ {given[len(printed) - 1][0]}\n{printed[-1]}{rest}"
    for (command, expected), output in zip(given, printed, strict=True):
        pattern = ".*".join(map(re.escape, expected.strip().split("...")))
        assert not expected or re.fullmatch(pattern, output.strip(), re.DOTALL), f"$ {command}\nprinted:\n{output}"
    assert re.search(rf"^Processing .*{re.escape(core_wheel.name)}", done.stdout, re.MULTILINE), (
        "another core was taken"
    )
    assert given[-1][1].startswith("pager  delivered")
