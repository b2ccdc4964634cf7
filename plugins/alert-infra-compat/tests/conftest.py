"""alert-infra 0.1.5, in an environment of its own, beside this distribution."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiosmtpd.controller
import pytest

HERE = Path(__file__).parent
OLD = HERE.parents[2] / ".nox" / "alert-infra" / "bin" / "python"

DIFFERENCES = {
    "secret-text": "A secret is masked wherever it is by what it looks like: in a title, a message, a tag, a value",
    "secret-key": "Keys such as `apiKey`, `passwd` and `credentials` are masked too",
    "secret-configured": "A configured URL, token, key or password is masked, in Django from the first alert on",
    "unreadable": "Metadata with a cycle, two thousand levels, a set of several types or a broken `__str__` is sent",
    "size": "Metadata is cut below 32 levels and after 10,000 values, with a marker there",
    "frozenset": "A frozenset is a list, as a set is",
    "no-number": "NaN and infinity, which JSON has not, are text",
    "created-at": "`created_at` that is no datetime, and an alert from no mapping, is an AlertValidationError",
    "one-tag": "`tags` as one text is one tag, and what is no text becomes one",
    "markup": "The alert's text is escaped in Slack's markup and in HTML",
    "one-line": "A subject is one line",
    "length": "Text over Slack's or Telegram's limit is cut, not refused",
    "nobody": "A dispatcher without transports logs a warning",
    "unknown-name": "A name in `transport_names` that no transport has is an AlertConfigurationError once the others"
    " were tried; in a worker, one of the result's failures",
    "one-name": "`transport_names` as one text is one name",
    "error-status": "An error status that an injected `http_client` answers is a failure for Slack and Telegram too",
    "no-status": "An injected client's answer without a number in it is a yes for e-mail too",
    "redirect": "Redirects are not followed: a POST that becomes a GET delivers nothing",
    "plain-http": "No key and no alert goes over http:// to another host than this one",
    "certificate": "The certificate of an SMTP server is verified",
    "login": "A refused SMTP login is not retried, as alert-infra's README says",
    "greylist": "Recipients that are refused for now alone (a greylist) may be tried again",
    "refused": "What a mail server refuses for good is not retried by Django's e-mail either",
    "recipients": "`to_emails` as one text is its addresses, and an empty address is none",
    "some-refused": "A mail that only some of its recipients get is a failure",
    "setting": "A number in the settings that is none is an AlertConfigurationError with its name",
    "tls-variable": "`ALERT_SMTP_USE_TLS` holds in Django too, where `SMTP_USE_TLS` is not set",
    "worker-lost": "A task whose worker was killed runs again",
    "older-name": "`feature_flag_infra` is there: the wheel of 0.1.5 is without it",
}
"""Where 0.1.5 is wrong: the table of docs/migration.md. A call with `differs` is one of these."""

Call = dict[str, Any]
Outcome = dict[str, Any]
Compare = Callable[[list[Call]], list[tuple[Outcome, Outcome]]]


def environment() -> dict[str, str]:
    """Nothing of the developer's own configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ALERT_", "DJANGO_", "PYTHON"))}


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """As of `environment()`."""
    return environment()


@pytest.fixture(scope="session")
def old_python() -> Path:
    """The interpreter that has alert-infra 0.1.5; mark the test `needs("alert-infra")`."""
    return OLD


@pytest.fixture(scope="session")
def outcomes() -> Callable[[str | Path, list[Call]], list[Outcome]]:
    """Make these calls with an interpreter, all in one process."""

    def run(python: str | Path, calls: list[Call]) -> list[Outcome]:
        given = [{name: value for name, value in call.items() if name not in ("differs", "new")} for call in calls]
        done = subprocess.run(
            [str(python), str(HERE / "calls.py")],
            input=json.dumps(given),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: list[Outcome] = json.loads(done.stdout)
        return found

    return run


@pytest.fixture(scope="session")
def differences() -> Mapping[str, str]:
    """Where 0.1.5 is wrong, by a short name."""
    return DIFFERENCES


@pytest.fixture(scope="session")
def compare(old_python: Path, outcomes: Callable[[str | Path, list[Call]], list[Outcome]]) -> Compare:
    """Make each call with 0.1.5 and with this distribution: they agree, but for what `differs`, which must."""

    def run(calls: list[Call]) -> list[tuple[Outcome, Outcome]]:
        pairs = list(zip(outcomes(old_python, calls), outcomes(sys.executable, calls), strict=True))
        for call, (old, new) in zip(calls, pairs, strict=True):
            differs = call.get("differs")
            assert differs is None or differs in DIFFERENCES
            found = difference(old, new)
            assert bool(found) is bool(differs), f"{json.dumps(call)[:2000]}\n{found or 'no difference any more'}"
            assert call.get("new", new) == new
        return pairs

    return run


class MailServer(aiosmtpd.controller.Controller):
    """On a port of the loopback that is its own from the first, so that nobody takes it before it listens."""

    def __init__(self, handler: Any, **options: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        super().__init__(handler, hostname="127.0.0.1", port=self._socket.getsockname()[1], **options)

    def _create_server(self) -> Coroutine[Any, Any, Any]:
        return self.loop.create_server(self._factory_invoker, sock=self._socket, ssl=self.ssl_context)


@pytest.fixture
def serve_mail() -> Iterator[Callable[..., int]]:
    """Start mail servers, with a handler and options of aiosmtpd's: each gives its port."""
    running: list[MailServer] = []

    def start(handler: Any, **options: Any) -> int:
        server = MailServer(handler, **options)
        server.start()
        running.append(server)
        return server.port

    yield start
    for server in running:
        server.stop()


def difference(old: Any, new: Any, at: str = "") -> str | None:
    """Where two outcomes first differ; the text of an error may go on."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        is_error = isinstance(old.get("is"), list)
        pairs = [(name, old[name], new[name]) for name in old]
        if is_error:
            pairs = [(n, o, w[: len(o)] if n == "text" else w) for n, o, w in pairs]
        found = [difference(item, other, f"{at}.{name}") for name, item, other in pairs]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        found = [
            difference(item, other, f"{at}[{place}]") for place, (item, other) in enumerate(zip(old, new, strict=True))
        ]
    else:
        found = [None if old == new and type(old) is type(new) else f"{at}: {old!r:.2000} | {new!r:.2000}"]
    return next(filter(None, found), None)
