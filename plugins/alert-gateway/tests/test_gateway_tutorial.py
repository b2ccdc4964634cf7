"""docs/tutorial-gateway.md, done as a reader would: its settings, its requests, and the texts that arrive."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alert_sandbox.server import Sandbox

PAGE = Path(__file__).parents[3] / "docs" / "tutorial-gateway.md"
PATIENT = "\n[gateway]\nanswer_within = 60\n"

pytestmark = pytest.mark.needs("curl")


def blocks(language: str, section: str) -> list[str]:
    """The blocks of one language in a section of the page."""
    (found,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```$", found, re.DOTALL | re.MULTILINE)


def fits(shown: str, printed: str) -> bool:
    """Whether a text is what the page shows, where `...` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.strip().split("..."))), printed.strip(), re.DOTALL) is not None


class Reader:
    """Does what the page says, in an empty folder, with a sandbox in the place of CastBrick."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox, self.port = folder, sandbox, "0"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        self.environment = kept | sandbox.environment() | {"PATH": path, "NO_PROXY": "127.0.0.1"}
        self.serving: subprocess.Popen[str] | None = None

    def write(self, *settings: str) -> None:
        """`alerts.toml`, with the sandbox's address in each target."""
        address = f'api_url = "{self.environment["ALERT_CASTBRICK_API_URL"]}"\n'
        text = re.sub(r"^(type = \"castbrick\"\n)", rf"\1{address}", "\n".join(settings), flags=re.MULTILINE)
        (self.folder / "alerts.toml").write_text(text + PATIENT)

    def serve(self, shown: str) -> None:
        """Run the command that the page shows, at a free port in place of its own."""
        command, _, rest = shown.removeprefix("$ ").partition("\n")
        command = command.replace("--port 5000", "--port 0")
        self.serving = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.serving.stdout is not None
        printed = [self.serving.stdout.readline() for _ in rest.splitlines()]
        self.port = re.findall(r":(\d+)/", printed[0])[0]
        assert fits(rest.replace("5000", self.port), "".join(printed))

    def end(self) -> None:
        if self.serving is not None:
            self.serving.send_signal(signal.SIGTERM)
            assert self.serving.wait(120) == 0
            assert self.serving.stdout is not None
            self.serving.stdout.close()
            self.serving = None

    def run(self, shown: str) -> None:
        """Each `$ command` of a block prints what the page shows."""
        for part in re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]:
            command, brace, answer = part.partition('\n{"')  # an answer begins its line, what is sent does not
            command = command.replace("localhost:5000", f"127.0.0.1:{self.port}").replace("curl ", "curl -sS ")
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert not brace or fits('{"' + answer, done.stdout), done.stdout

    def python(self, program: str) -> None:
        """A program, which ends without an error."""
        command = [sys.executable, "-c", program]
        subprocess.run(command, cwd=self.folder, env=self.environment, timeout=120, check=True)

    def arrived(self, count: int) -> list[str]:
        """The texts that CastBrick got since the last look."""
        found = self.sandbox.wait(count, timeout=60, kind="castbrick")
        assert all(message.accepted and not message.broken for message in found)
        self.sandbox.clear()
        return [message.text for message in found]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Sandbox() as sandbox:
        made = Reader(tmp_path, sandbox)
        yield made
        if made.serving is not None:
            made.serving.kill()
            made.serving.communicate()


def test_the_page_can_be_followed_from_top_to_bottom_with_the_gateway_in_its_place(reader: Reader) -> None:
    settings = blocks("toml", "The settings")
    reader.write(*settings)
    reader.serve(*blocks("console", "The settings"))
    critical, warning, others = blocks("console", "Test it")
    texts = blocks("text", "Test it")
    for request, text in zip([critical, warning], texts, strict=True):
        reader.run(request)
        assert reader.arrived(1) == [text.strip()]
    reader.run(others)
    (grafana,) = blocks("console", "Integrating with monitoring tools")
    reader.run(grafana)
    (both,) = blocks("text", "Integrating with monitoring tools")
    assert reader.arrived(2) == both.strip().splitlines()
    reader.end()
    (digest,) = blocks("toml", "Scheduling a daily digest")
    targets, routes, others = settings[0].partition("[[routes]]")
    reader.write(targets, digest, routes + others)
    reader.serve(*blocks("console", "The settings"))
    reader.run(critical)
    reader.run(warning)
    reader.arrived(2)
    (send,) = blocks("console", "Scheduling a daily digest")
    reader.run(send)
    (text,) = blocks("text", "Scheduling a daily digest")
    (told,) = reader.arrived(1)
    assert fits(text, told), told
    reader.end()
    application, requests = blocks("python", "In a Flask application")
    reader.python(application + requests)
