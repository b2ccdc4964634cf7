"""Run the code blocks of one Markdown page, in order: `python run_page.py PAGE`, in an empty folder.

- python: all blocks of a page share one namespace.
- toml: written to alerts.toml and loaded as such; a block whose first line names another file
  (`# pyproject.toml`) is only parsed.
- console: only where marked; what follows a `$ command` is its output, where `...` stands for anything.
- anything else: not run.

An HTML comment before a block says more:

    <!-- test: skip (why) -->       not run; the reason is for the reader
    <!-- test: run -->              run this console block; every command must end with status 0
    <!-- test: exit 1 -->           run this console block; every command must end with that status
    <!-- test: append -->           this toml block goes on with the alerts.toml before it
    <!-- test: output -->           this block is what the python block before it printed
    <!-- test: env NAME=value -->   needs no block: set for the rest of the page; {http} and {smtp} in the
                                    value are the URL and the port of receivers that take everything; the URL's
                                    paths end as the providers' do (`{http}/telegram` for ALERT_TELEGRAM_API_URL)
    <!-- test: received TEXT -->    needs no block: a receiver has got that text since the last such line
"""

import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import tomllib
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from markdown_it import MarkdownIt
from markdown_it.token import Token

import alert_core

COMMENT = re.compile(r"<!--\s*test:\s*(?P<word>\w+)\s*(?P<rest>.*?)\s*-->", re.DOTALL)
FILE_NAME = re.compile(r"#\s*(?P<name>[\w.-]+\.toml)\b")
CONFIGURATION = Path("alerts.toml")

received: list[bytes] = []


PROVIDERS = {  # each one's yes, by how the path of its endpoint ends; any other is Slack's webhook
    "/chat.postMessage": (200, {"ok": True, "channel": "C0123456789", "ts": "1503435956.000247"}),
    "/sendMessage": (200, {"ok": True, "result": {"message_id": 7, "chat": {"id": -1001}, "date": 1}}),
    "/emails": (200, {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}),
    "/mail/send": (202, None),
    "/enqueue": (202, {"status": "success", "message": "Event processed", "dedup_key": "k"}),
    "/sms/send": (200, {"messageId": "m1", "status": "Queued", "recipientCount": 1, "timestamp": "t", "error": None}),
    "/Messages.json": (201, {"sid": "SM00000000000000000000000000000001", "status": "queued", "error_code": None}),
    "/sms/json": (200, {"message-count": "1", "messages": [{"status": "0", "message-id": "v1", "to": "1"}]}),
}


class HttpReceiver(BaseHTTPRequestHandler):
    """Answers every POST as the provider does whose endpoint is asked for."""

    def do_POST(self) -> None:
        """Keep the body, and say yes."""
        received.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        status, answer = next((PROVIDERS[end] for end in PROVIDERS if self.path.endswith(end)), (200, "ok"))
        body = b"" if answer is None else answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Message-Id", "sg1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


class MailReceiver:
    """Takes every mail."""

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        """Keep the message, and say ok."""
        received.append(envelope.content)
        return "250 OK"


@contextlib.contextmanager
def receivers() -> Iterator[dict[str, str]]:
    """Run the receivers; what {http} and {smtp} stand for."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), HttpReceiver)
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    with socket.socket() as free:  # aiosmtpd wants the number beforehand
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mail = Controller(MailReceiver(), hostname="127.0.0.1", port=port)
    mail.start()
    try:
        yield {"http": f"http://127.0.0.1:{web.server_port}", "smtp": str(port)}
    finally:
        mail.stop()
        web.shutdown()
        web.server_close()


class Page:
    """One page being run."""

    def __init__(self, path: Path, places: dict[str, str]) -> None:
        self.path = path
        self.places = places
        self.module = types.ModuleType("__main__")
        self.printed = ""
        sys.modules["__main__"] = self.module

    def run(self) -> None:
        """Run every block; the first that fails raises."""
        marks: dict[str, str] = {}
        for token in MarkdownIt().parse(self.path.read_text()):
            if token.type == "html_block":
                for comment in COMMENT.finditer(token.content):
                    self.note(comment["word"], comment["rest"], marks)
            elif token.type == "fence":
                if "skip" not in marks:
                    self.run_block(token, marks)
                marks = {}

    def note(self, word: str, rest: str, marks: dict[str, str]) -> None:
        """Carry out a comment, or keep it for the block that follows."""
        match word:
            case "env":
                name, _, value = rest.partition("=")
                os.environ[name] = value.format(**self.places)
            case "received":
                assert any(rest.encode() in body for body in received), f"not received: {rest}; but {received}"
                received.clear()
            case "skip":
                assert re.fullmatch(r"\(.+\)", rest), f"{self.path}: a skipped block says why: skip (why)"
                marks[word] = rest
            case "run" | "exit" | "append" | "output":
                marks[word] = rest
            case _:
                raise ValueError(f"{self.path}: unknown comment `test: {word}`")

    def run_block(self, token: Token, marks: dict[str, str]) -> None:
        """Run one block, as its language and its marks say."""
        assert token.map
        language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
        if "output" in marks:
            compare(self.printed, token.content)
        elif language == "python":
            self.run_python(token.content, line=token.map[0] + 1)
        elif language == "toml":
            self.load_toml(token.content, append="append" in marks)
        elif language == "console" and ("run" in marks or "exit" in marks):
            run_console(token.content, status=int(marks.get("exit", "0")))

    def run_python(self, source: str, line: int) -> None:
        """Run a block in the page's namespace, so that a traceback names the page's own line."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile("\n" * line + source, self.path, "exec"), vars(self.module))
        self.printed = out.getvalue()

    def load_toml(self, text: str, *, append: bool) -> None:
        """Load a block as alerts.toml, unless it says that it is another file."""
        named = FILE_NAME.match(text)
        if named and named["name"] != CONFIGURATION.name:
            tomllib.loads(text)
            return
        CONFIGURATION.write_text(CONFIGURATION.read_text() + "\n" + text if append else text)
        alert_core.Dispatcher.from_config(CONFIGURATION).close()


def run_console(text: str, status: int) -> None:
    """Run each `$ command`, and compare what it prints with the lines that follow it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n", part)
        assert command
        done = subprocess.run(
            ["bash", "-c", command[0]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, f"$ {command[0]}ended with {done.returncode}:\n{done.stdout}"
        if expected := part[command.end() :].strip():
            compare(done.stdout, expected)


def compare(printed: str, expected: str) -> None:
    """Compare line by line but for trailing blanks; `...` stands for anything."""
    pattern = ".*".join(re.escape(piece) for piece in tidy(expected).split("..."))
    assert re.fullmatch(pattern, tidy(printed), re.DOTALL), f"expected:\n{expected}\nprinted:\n{printed}"


def tidy(text: str) -> str:
    """Without blanks at the ends of lines and of the text."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


if __name__ == "__main__":
    with receivers() as running:
        Page(Path(sys.argv[1]), running).run()
