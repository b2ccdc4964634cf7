"""Transports and the dispatcher, by alert-infra 0.1.5 and by this distribution: made, configured, failing."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import trustme

pytestmark = [pytest.mark.needs("alert-infra"), pytest.mark.once]

Call = dict[str, Any]
Compare = Callable[[list[Call]], list[tuple[Any, Any]]]

ALERT = {"title": "Payment failed", "message": "No answer", "metadata": {"api_key": "k", "id": 7}, "tags": ["pay"]}
ADDRESSES = {"from_email": "alerts@example.com", "to_emails": ["ops@example.com", "dba@example.com"]}
HTTP: dict[str, dict[str, Any]] = {
    "slack": {"webhook_url": "https://hooks.slack.com/services/test"},
    "telegram": {"bot_token": "1:t", "chat_id": "-100"},
    "resend": {"api_key": "key-1", **ADDRESSES},
    "sendgrid": {"api_key": "key-1", **ADDRESSES},
}
SMTP: dict[str, Any] = {"host": "smtp.example.com", **ADDRESSES}
NO_NAMES: list[list[Any]] = [[], [None], [[]]]
STATUSES = [200, 201, 202, 204, 299, 0, None, 400, 401, 403, 404, 408, 409, 413, 422, 429, 499, 500, 501, 502, 503, 504]
ERRORS: list[list[Any]] = [
    ["TimeoutError", "slow"], ["ConnectionError", "x"], ["ConnectionResetError", "x"], ["OSError", "x"],
    ["ValueError", "x"], ["KeyError", "x"], ["RuntimeError", "x"], ["TypeError", "x"], ["AlertDeliveryError", "x"],
    ["AlertDeliveryError", "x", 1], ["AlertDeliveryError"], ["RetryableAlertTransportError", "x"],
    ["NonRetryableAlertTransportError", "x"], ["AlertConfigurationError", "x"], ["AlertTransportError", "x"],
    ["AlertConfigError", "x"], ["AlertValidationError", "x"], ["AlertInfraError", "x"],
]  # fmt: skip


def deliver(kind: str, answer: Any, **more: Any) -> Call:
    options = HTTP.get(kind, SMTP)
    return {"call": "deliver", "kind": kind, "options": options, "answer": answer, "fields": ALERT, **more}


def test_an_injected_client_is_asked_and_understood_alike(compare: Compare) -> None:
    answers: list[Any] = [["return", status] for status in STATUSES]
    answers += [["object", {"status_code": status}] for status in (200, 202, 404, 429, 500)]
    answers += [["object", {"status": status}] for status in (200, 403, 503)] + [["object", {}]]
    answers += [["raise", error] for error in ERRORS]
    calls = []
    for kind, answer, how in itertools.product(HTTP, answers, ("send", "dispatch")):
        told = answer[1] if answer[0] == "return" else (list(answer[1].values()) or [0])[0] if "object" in answer else 0
        ignored = kind in ("slack", "telegram") and (told or 0) >= 400
        calls.append(deliver(kind, answer, how=how, **({"differs": "error-status"} if ignored else {})))
    calls += [deliver(kind, ["mock", 0]) for kind in ("slack", "telegram")]
    calls += [deliver(kind, ["mock", 0], differs="no-status") for kind in ("resend", "sendgrid")]
    calls += [deliver("resend", ["return", True], differs="no-status"), deliver("slack", ["return", True])]
    calls += [deliver("resend", ["return", status]) for status in (100, 301, 302, 304)]
    compare(calls)


def test_an_injected_sender_is_called_and_understood_alike(compare: Compare) -> None:
    refused = {"ops@example.com": {"!": "tuple", "of": [550, {"!": "bytes", "of": "unknown"}]}}
    later = {"ops@example.com": {"!": "tuple", "of": [450, {"!": "bytes", "of": "greylisted"}]}}
    errors: list[list[Any]] = [
        ["SMTPRecipientsRefused", refused], ["SMTPRecipientsRefused", {}], ["SMTPDataError", 451, "x"],
        ["SMTPDataError", 554, "x"], ["SMTPDataError", 0, "x"], ["SMTPServerDisconnected", "x"],
        ["SMTPConnectError", 421, "x"], ["SMTPHeloError", 500, "x"], ["SMTPNotSupportedError", "x"],
        ["SMTPSenderRefused", 550, "x", "a"], ["SMTPException", "x"], ["SMTPAuthenticationError", 454, "x"],
    ]  # fmt: skip
    own = [error for error in ERRORS if error[0] in ("RuntimeError", "OSError", "TimeoutError", "ValueError")]
    calls = [
        deliver("smtp", answer, how=how)
        for answer in [["return", None], *(["raise", error] for error in [*errors, *own])]
        for how in ("send", "dispatch")
    ]
    calls.append(deliver("smtp", ["raise", ["SMTPAuthenticationError", 535, "x"]], differs="login"))
    calls.append(deliver("smtp", ["raise", ["SMTPRecipientsRefused", later]], differs="greylist"))
    compare(calls)


def test_what_an_alert_says_is_escaped_in_one_line_and_within_limits(compare: Compare) -> None:
    marked = {"title": "a < b & c", "message": "<script>alert(1)</script> <!channel>", "metadata": {"q": '"x" > 1'}}
    long = {"title": "t", "message": "word " * 1200}
    lines = {"title": "two\nlines", "message": "m"}
    calls: list[Call] = [
        {**deliver(kind, ["return", 200]), "fields": marked, "differs": "markup"}
        for kind in ("slack", "resend", "sendgrid", "smtp")
    ]
    calls += [{**deliver("telegram", ["return", 200]), "fields": marked}]
    calls += [
        {**deliver(kind, ["return", 200]), "fields": lines, "differs": "one-line"}
        for kind in ("resend", "sendgrid", "smtp")
    ]
    calls += [{**deliver(k, ["return", 200]), "fields": long, "differs": "length"} for k in ("slack", "telegram")]
    calls += [{**deliver("resend", ["return", 200]), "fields": long}]
    token = "123456:AAF-4Yq8dWlSUT1q2w3e4r5t6y7u8i9o0p1"
    options = {"bot_token": token, "chat_id": "1"}
    fields = {"title": "t", "message": "m", "metadata": {"url": f"https://api.telegram.org/bot{token}/sendMessage"}}
    calls += [
        {"call": "payload", "kind": "slack", "options": HTTP["slack"], "fields": fields, "differs": "secret-text"}
    ]
    own = "correct-horse-battery"
    fields = {"title": f"could not log in as {own}", "message": "m"}
    calls += [{"call": "transport", "kind": "smtp", "options": {**SMTP, "username": "u", "password": own}}]
    calls += [{"call": "alert", "fields": fields, "differs": "secret-configured"}]
    compared = compare(calls)
    assert token not in str(compared[-3][1])
    assert own not in str(compared[-1][1])
    calls = [{"call": "payload", "kind": "telegram", "options": options, "fields": {"title": "t", "message": "m"}}]
    compare(calls)


def test_transports_are_made_and_refused_alike(compare: Compare) -> None:
    calls: list[Call] = []
    wrong: dict[str, list[Any]] = {
        "webhook_url": ["", None, "http://hooks.slack.com/x", "hooks.slack.com/x", "https://", "ftp://x/y", "https:/x"],
        "bot_token": ["", None],
        "chat_id": ["", None, 0, -100, "@ops"],
        "api_base_url": ["http://x", "", "https://tg.example.com/", "https://tg.example.com//"],
        "api_key": ["", None],
        "api_url": ["", "https://mail.example.com/x", "http://mail.example.com/x"],
        "from_email": ["", None],
        "to_emails": [[], None, {"!": "tuple", "of": ["a@example.com"]}, ""],
        "host": ["", None],
        "port": [25, "2525", 465],
        "use_tls": [True, False],
        "username": ["u", None],
        "timeout": [1, 0.5],
        "unknown": [1],
    }
    for kind, options in {**HTTP, "smtp": SMTP, "django": ADDRESSES}.items():
        calls.append({"call": "transport", "kind": kind, "options": options})
        for name, values in wrong.items():
            calls += [{"call": "transport", "kind": kind, "options": {**options, name: item}} for item in values]
            without = {key: item for key, item in options.items() if key != name}
            calls.append({"call": "transport", "kind": kind, "options": without})
    calls += [{"call": "transport", "kind": "noop", "options": {}}]
    calls += [{"call": "https_url", "url": url} for url in ("https://a/b", "http://a", "", "a", "https:///x")]
    calls += [{"call": "https_url", "url": "http://a", "field_name": "the URL"}]
    calls += [
        {"call": "transport", "kind": kind, "options": {**options, "to_emails": item}, "differs": "recipients"}
        for kind, options in {"resend": HTTP["resend"], "smtp": SMTP, "django": ADDRESSES}.items()
        for item in ("ops@example.com, dba@example.com", [" "], ["ops@example.com", ""])
    ]
    calls += [
        {"call": "transport", "kind": "smtp", "options": {**SMTP, "port": item}, "differs": "setting"}
        for item in ("smtp", "25x")
    ]
    compare(calls)


def test_the_environment_is_read_alike(compare: Compare) -> None:
    shared = {"ALERT_FROM_EMAIL": "a@example.com", "ALERT_TO_EMAILS": " ops@example.com, ,dba@example.com "}
    calls: list[Call] = []
    for kind, prefix, required in (
        ("resend", "ALERT_RESEND_", "API_KEY"),
        ("sendgrid", "ALERT_SENDGRID_", "API_KEY"),
        ("smtp", "ALERT_SMTP_", "HOST"),
    ):
        for own in (prefix, "OPS_"):
            full = {**shared, f"{own}{required}": "value-1"}
            fallback = {f"{own}FROM_EMAIL": "b@example.com", f"{own}TO_EMAILS": "c@example.com"}
            chosen = {} if own == prefix else {"prefix": own}
            envs = [full, {**full, **fallback}, {**fallback, f"{own}{required}": "v"}, shared, {}]
            envs += [full | {name: ""} for name in full]
            calls += [made(kind, env, **chosen) for env in envs]
        more = {"timeout": 2.5} if kind == "smtp" else {"timeout": 2.5, "api_url": "https://mail.example.com"}
        calls.append(made(kind, {**shared, f"{prefix}{required}": "v"}, options=more))
    smtp = {**shared, "ALERT_SMTP_HOST": "h"}
    switch = ["true", "false", "1", "0", "yes", "no", "TRUE", "False", "NO", "off", "on"]
    calls += [made("smtp", smtp | {"ALERT_SMTP_USE_TLS": item}) for item in switch]
    login = {"ALERT_SMTP_PORT": "2525", "ALERT_SMTP_USERNAME": "u", "ALERT_SMTP_PASSWORD": "p"}
    calls += [made("smtp", smtp | login), made("smtp", smtp | {"ALERT_SMTP_PORT": "smtp"}, differs="setting")]
    hooks = [{"ALERT_SLACK_WEBHOOK_URL": "https://x/y"}, {"ALERT_SLACK_WEBHOOK_URL": "http://x/y"}, {}]
    calls += [made("slack", env, options={"timeout": 1.5}) for env in hooks]
    calls += [made("slack", {"OPS_HOOK": "https://x/z"}, env_var="OPS_HOOK")]
    token, chat = {"ALERT_TELEGRAM_BOT_TOKEN": "1:a"}, {"ALERT_TELEGRAM_CHAT_ID": "-5"}
    calls += [made("telegram", env) for env in (token, chat, token | chat, {})]
    calls += [made("telegram", {"OPS_T": "1:b", "OPS_C": "7"}, token_env="OPS_T", chat_env="OPS_C")]
    compare(calls)


def made(kind: str, env: dict[str, str], **more: Any) -> Call:
    return {"call": "transport", "kind": kind, "options": {}, "env": env, **more}


def test_a_dispatcher_tries_each_once_and_tells_alike(compare: Compare) -> None:
    good, bad, worse = ["a", None], ["b", ["OSError", "x"]], ["c", ["ValueError", "x"]]
    calls: list[Call] = [
        {"call": "dispatch", "customs": [good, ["b", error], ["shared", None]], **options}
        for error in ERRORS
        for options in ({}, {"raise_on_failure": True})
    ]
    calls += [
        {"call": "dispatch", "customs": customs, "send": send}
        for customs in ([good, bad, worse], [worse, bad, good], [good, good], [[None, None]], [[None, ["OSError"]]])
        for send in NO_NAMES
    ]
    calls += [{"call": "dispatch", "customs": [good, bad, worse], "send": [[name]]} for name in "abc"]
    calls += [{"call": "dispatch", "customs": [good, bad, worse], "send": [["c", "a", "c"]]}]
    calls += [{"call": "dispatch", "customs": [good, bad], "enabled": False, "raise_on_failure": True}]
    calls += [
        {"call": "dispatch", "customs": customs, "send": [[names]], "differs": "unknown-name"}
        for customs, names in (([good], "nobody"), ([good, bad], "A"))
    ]
    calls += [{"call": "dispatch", "customs": [good, bad], "send": [["a", "nobody"]], "differs": "unknown-name"}]
    calls += [{"call": "dispatch", "customs": [["ops", None]], "send": ["ops"], "differs": "one-name"}]
    calls += [{"call": "dispatch", "customs": [], "differs": "nobody"}]
    compare(calls)


class Receiver(BaseHTTPRequestHandler):
    """Answers the status that the path names, and keeps what it got."""

    got: ClassVar[list[Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append([self.path, body, self.headers.get("Authorization"), self.headers["Content-Type"][:16]])
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        status = int(self.path.strip("/")[:3])
        self.send_response(status)
        self.send_header("Location", f"http://{self.headers['Host']}/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """The URL of a server on the loopback, and what it got."""

    class Handler(Receiver):
        got: ClassVar[list[Any]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Handler.got
    server.shutdown()
    thread.join()
    server.server_close()


def test_over_a_real_connection_the_same_is_posted_and_understood(
    compare: Compare, receiver: tuple[str, list[Any]]
) -> None:
    url, got = receiver
    statuses = [200, 201, 202, 204, 400, 401, 404, 429, 500, 503]
    calls: list[Call] = [
        {"call": "post", "url": f"{url}/{status}", "body": {"a": 1}, "headers": {"Authorization": "Bearer x"}}
        for status in statuses
    ]
    calls += [
        {"call": "send_for_real", "kind": kind, "options": {**options, "api_url": f"{url}/{status}"}, "fields": ALERT}
        for kind, options in HTTP.items()
        for status in statuses
        if "api_key" in options
    ]
    with socket.socket() as silent:  # bound and not listening: nobody else gets the port
        silent.bind(("127.0.0.1", 0))
        calls += [{"call": "post", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/200", "body": {}}]
        compare(calls)
    asked = len(got) // 2
    assert got[:asked] == got[asked:]
    got.clear()
    compare([{"call": "post", "url": f"{url}/{code}", "body": {}, "differs": "redirect"} for code in (301, 302, 303)])
    plain = [{"call": "post", "url": "http://mail.example.invalid/x", "body": {}, "differs": "plain-http"}]
    compared = compare(plain)
    assert compared[0][1]["error"]["type"] == "AlertConfigurationError"
    settings = [{"call": "post", "url": f"{url}/200", "body": {}, "timeout": "soon", "differs": "setting"}]
    assert compare(settings)[0][1]["error"]["type"] == "AlertConfigurationError"


class Mailbox:
    """Takes mail, but for some recipients."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        message = message_from_bytes(envelope.content, policy=policy.default)
        parts = [(part.get_content_type(), part.get_content()) for part in message.walk() if not part.is_multipart()]
        headers = [message[name] for name in ("Subject", "From", "To")]
        self.got.append([envelope.mail_from, envelope.rcpt_tos, headers, parts])
        return "250 OK"


@pytest.fixture
def mail_server(serve_mail: Callable[..., int]) -> Callable[..., tuple[int, list[Any]]]:
    """Start mail servers: each gives its port and what it got."""

    def start(**options: Any) -> tuple[int, list[Any]]:
        box = Mailbox()
        return serve_mail(box, **options), box.got

    return start


def test_a_real_mail_server_gets_the_same_mail(
    compare: Compare, mail_server: Callable[..., tuple[int, list[Any]]]
) -> None:
    port, got = mail_server()
    options = {**SMTP, "host": "127.0.0.1", "port": port, "use_tls": False}
    calls: list[Call] = [{"call": "send_for_real", "kind": "smtp", "options": options, "fields": ALERT}]
    calls += [{**calls[0], "fields": {**ALERT, "title": "支付 üñí " * 20, "message": "línea\n.\n..x\n" + "w" * 2000}}]
    calls += [{**calls[0], "options": {**options, "to_emails": ["nobody@example.com"]}}]
    compare(calls)
    assert got[:2] == got[2:]
    assert len(got) == 4
    old, got = mail_server(enable_SMTPUTF8=False)
    named = {"from_email": "Überwachung <alerts@example.com>", "to_emails": ["Köln <a@example.com>, b@example.com"]}
    compare([{**calls[0], "options": {**options, "port": old, **named}}])
    assert got[0] == got[1]
    assert got[0][:2] == ["alerts@example.com", ["a@example.com", "b@example.com"]]
    some = {**calls[0], "options": {**options, "to_emails": ["nobody@example.com", "ops@example.com"]}}
    compare([{**some, "differs": "some-refused"}])


def test_a_mail_server_is_known_by_its_certificate(
    compare: Compare, mail_server: Callable[..., tuple[int, list[Any]]]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    port, got = mail_server(tls_context=context, require_starttls=True)
    options = {**SMTP, "host": "127.0.0.1", "port": port}
    compared = compare(
        [{"call": "send_for_real", "kind": "smtp", "options": options, "fields": ALERT, "differs": "certificate"}]
    )
    assert compared[0][1]["result"]["failed"] == {"email.smtp": "NonRetryableAlertTransportError"}
    assert len(got) == 1  # 0.1.5's
