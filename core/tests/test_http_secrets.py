"""No URL, credential or alert text of a transport over HTTP is in an error, a repr or a log record."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from alert_core import Alert, DeliveryError, Receipt, Secret, option
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, secure_url
from alert_core.testing.replies import Fault, Reply
from alert_core.testing.standin import refusing_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.testing.httpserver import HttpStandIn

pytestmark = pytest.mark.usefixtures("closing")

PATH, TOKEN, BODY = "leak-canary-path-1Xk9", "leak-canary-token-2Yp8", "leak-canary-body-3Zm7"
CANARIES = (PATH, TOKEN, BODY)
ALERT = Alert("Disk full", BODY)


class Leaky(HttpTransport):
    kind = "leaky"
    api_url: Secret = option(validator=secure_url)
    token: Secret = option()

    def build_request(self, alert: Alert) -> HttpRequest:
        headers = {"Authorization": f"Bearer {self.token.reveal()}"}
        return HttpRequest.json(self.api_url.reveal(), {"text": alert.message}, headers=headers)

    def read_response(self, response: HttpResponse) -> Receipt:
        return Receipt(id=response.json()["id"])


REPLIES = {
    "yes": Reply(200, json={"id": "m1"}),
    "echo": Reply(200, text=f"you said {BODY} with {TOKEN}"),
    "refused": Reply(401, text=f"{TOKEN} is not valid for {BODY}"),
    "redirect": Reply(302, headers={"Location": f"/{PATH}?token={TOKEN}"}),
    "header": Reply(500, headers={"X-Debug": TOKEN, "Set-Cookie": f"session={TOKEN}"}),
    **{fault.name.lower(): Reply(200, text="{}", fault=fault) for fault in Fault},
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_no_answer_and_no_fault_makes_a_transport_tell_what_it_must_not(
    provider: HttpStandIn, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, name)
    provider.script(reply)
    url = Secret(f"http://127.0.0.1:{provider.port}/{PATH}")
    transport = Leaky(api_url=url, token=Secret(TOKEN), timeout=0.3)
    told = [repr(transport), str(transport)]
    try:
        told.append(repr(transport.send(ALERT)))
    except DeliveryError as error:
        told += [repr((part, str(part), vars(part))) for part in chain(error)]
        told += traceback.format_exception(error)
    told += [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert not [canary for canary in CANARIES if canary in "\n".join(told)]


def test_a_failure_to_connect_tells_nothing_either(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with refusing_port() as port:
        transport = Leaky(api_url=Secret(f"http://127.0.0.1:{port}/{PATH}"), token=Secret(TOKEN))
        with pytest.raises(DeliveryError) as raised:
            transport.send(ALERT)
    assert list(chain(raised.value)) == [raised.value]
    assert PATH not in f"{raised.value!r} {caplog.text}"


def test_the_frames_of_an_error_show_no_credential_even_with_their_locals(provider: HttpStandIn) -> None:
    provider.script(Reply(401))
    transport = Leaky(api_url=Secret(f"http://127.0.0.1:{provider.port}/{PATH}"), token=Secret(TOKEN))
    with pytest.raises(DeliveryError) as raised:
        transport.send(ALERT)
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert TOKEN not in shown
    assert PATH not in shown


def test_a_request_and_an_answer_show_only_their_size() -> None:
    request = HttpRequest.json(f"https://a.example/{PATH}", {"text": BODY}, headers={"Authorization": TOKEN})
    response = HttpResponse(200, {"Set-Cookie": TOKEN}, BODY.encode())
    assert repr(request) == f"<HttpRequest POST with {len(request.content)} bytes>"
    assert repr(response) == f"<HttpResponse 200 with {len(BODY)} bytes>"


def test_what_httpx_itself_logs_of_a_url_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    Secret(TOKEN)
    caplog.set_level(logging.INFO)
    logging.getLogger("httpx").info('HTTP Request: %s %s "%s"', "POST", f"https://api.example/bot{TOKEN}/send", "200")
    assert TOKEN not in caplog.text
    assert "HTTP Request" in caplog.text
