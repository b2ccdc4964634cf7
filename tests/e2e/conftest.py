"""The mail servers that the e2e tests send to, and a transport for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.exim import Exim
from tests.e2e.mail_server import MailServer
from tests.e2e.postfix import Postfix

from alert_smtp.transport import SmtpTransport

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="postfix starts as root alone")


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(Exim, id="exim", marks=pytest.mark.needs("debian/exim")),
        pytest.param(Postfix, id="postfix", marks=[pytest.mark.needs("debian/postfix"), as_root]),
    ],
)
def running_server(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    """Each of Debian's mail servers, started once."""
    # Not tmp_path: only its owner may enter that.
    with tempfile.TemporaryDirectory(prefix="mail-") as folder:
        server: MailServer = request.param(Path(folder))
        with server.running():
            yield server


@pytest.fixture
def server(request: pytest.FixtureRequest, running_server: MailServer) -> Iterator[MailServer]:
    """Each of Debian's mail servers, its mailbox empty; where the test fails, its log is shown."""
    running_server.empty()
    start = len(running_server.log())
    yield running_server
    request.node.add_report_section("teardown", "server", running_server.log()[start:])


@pytest.fixture
def smtp(server: MailServer) -> Iterator[Callable[..., SmtpTransport]]:
    """`smtp(port=…, …)`: a transport for this server, with its certificate and login; closed at the end."""
    with ExitStack() as made:

        def make(**options: Any) -> SmtpTransport:
            given: dict[str, Any] = {
                "host": server.host,
                "port": server.ports.starttls,
                "username": server.username,
                "password": server.password,
                "ca_bundle": str(server.ca_bundle),
                "from_email": "Alerts <alerts@example.org>",
                "to_emails": ("a@example.org", "Bé <b@example.org>"),
                "timeout": 30,  # the servers start a process for a connection
            }
            transport = SmtpTransport(**(given | options))
            made.callback(transport.close)
            return transport

        yield make
