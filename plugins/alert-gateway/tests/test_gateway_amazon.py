"""amazon: what is fetched comes over verified TLS, from the host that was asked, and is not endless."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from alert_gateway import amazon


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/broken":
            self.wfile.write(b"not HTTP\r\n\r\n")
            self.close_connection = True
            return
        status, content = {"/ok": (200, b"fine"), "/long": (200, b"x" * amazon.MAX_ANSWER * 2)}.get(
            self.path, (302 if self.path == "/moved" else 403, b"")
        )
        self.send_response(status)
        self.send_header("Location", "/ok")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:  # the client has read enough
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as there:
        there.socket = context.wrap_socket(there.socket, server_side=True)
        thread = threading.Thread(target=there.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://localhost:{there.server_port}"
        there.shutdown()
        thread.join()


@pytest.fixture
def trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(amazon, "client_context", lambda _: context)
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.usefixtures("trusted")
def test_an_answer_is_fetched_and_cut_where_it_is_too_long(server: str) -> None:
    assert amazon.fetch(f"{server}/ok") == b"fine"
    assert len(amazon.fetch(f"{server}/long")) == amazon.MAX_ANSWER


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("path", ["/moved", "/refused"])
def test_a_redirect_is_not_followed_and_a_refusal_is_no_answer(server: str, path: str) -> None:
    with pytest.raises(OSError, match=r"^HTTP (302|403)$"):
        amazon.fetch(server + path)


@pytest.mark.usefixtures("trusted")
def test_an_answer_that_breaks_off_is_no_answer(server: str) -> None:
    with pytest.raises(OSError, match=r"^BadStatusLine$"):
        amazon.fetch(f"{server}/broken")


def test_a_server_without_a_trusted_certificate_is_not_asked(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        amazon.fetch(f"{server}/ok")
