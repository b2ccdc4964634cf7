"""What no sender should send: the sandbox answers it, shows it, and lets nobody else's words run."""

import json
import smtplib

import httpx
import pytest

from alert_sandbox.exchange import parse_json
from alert_sandbox.providers.telegram_markup import MarkupError, html
from alert_sandbox.server import Sandbox

WEBHOOK = "/slack/services/T0/B0/x"
DEEP = b"[" * 50_000 + b"]" * 50_000


@pytest.mark.parametrize(
    "path", [WEBHOOK, "/resend/emails", "/sendgrid/v3/mail/send", "/pagerduty/v2/enqueue", "/castbrick/v1/sms/send"]
)
@pytest.mark.parametrize("value", [DEEP, b"[" * 300 + b"]" * 300, b"NaN", b"-Infinity", b"1e999"])
def test_json_that_no_page_can_show_is_refused_as_no_json(http: httpx.Client, path: str, value: bytes) -> None:
    head = {"Content-Type": "application/json", "Authorization": "Bearer re_SG.cb_"}
    assert 400 <= http.post(path, content=b'{"text": ' + value + b"}", headers=head).status_code < 500
    assert http.get("/api/messages").status_code == 200


def test_ordinary_numbers_and_nesting_are_read() -> None:
    assert parse_json(b'{"a": [1, -2.5e3, {"b": [[]]}]}') == {"a": [1, -2500.0, {"b": [[]]}]}


def test_half_a_surrogate_pair_does_not_close_the_inbox(http: httpx.Client, sandbox: Sandbox) -> None:
    mail = rb'{"from": "a@e.example", "to": "b@e.example", "subject": "x", "html": "\ud800"}'
    assert http.post("/resend/emails", content=mail, headers={"Authorization": "Bearer re_x"}).status_code == 200
    (message,) = http.get("/api/messages").json()["messages"]
    assert http.get(f"/api/messages/{message['id']}/html").status_code == 200
    assert len(sandbox.messages()) == 1


@pytest.mark.parametrize("fault", ["<img src=x onerror=alert(1)>", "error:<img src=x onerror=alert(1)>"])
def test_what_a_link_puts_into_an_answer_is_text_and_never_a_page(http: httpx.Client, fault: str) -> None:
    answer = http.get(f"/fault/{fault}{WEBHOOK}")
    assert "onerror" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_secret_is_hidden_in_a_form_where_it_is_written_with_percent_signs(
    http: httpx.Client, sandbox: Sandbox
) -> None:
    http.post("/vonage/sms/json", data={"api_key": "5a5a5a5a", "api_secret": "S3c+r/t", "text": "hi"})
    http.post("/slack/api/chat.postMessage", data={"token": "xoxb-S3c", "channel": "#a", "text": "hi"})
    assert "S3c" not in json.dumps([message.to_dict() for message in sandbox.messages()])


def test_a_number_without_end_is_no_error_of_the_sandboxs(http: httpx.Client) -> None:
    assert http.get("/api/messages", params={"after": "9" * 5000}).status_code == 200
    path = f"/twilio/2010-04-01/Accounts/AC{'5a' * 16}/Messages.json"
    assert http.post(path, headers={"X-Sandbox-Fault": "error:" + "9" * 5000}).json()["code"] == 20500


def test_an_event_that_a_fault_refused_belongs_to_no_incident(http: httpx.Client, sandbox: Sandbox) -> None:
    payload = {"summary": "x", "source": "x", "severity": "info"}
    for key, fault in (("one", "ok"), ("two", "500")):
        event = {"routing_key": "5a" * 16, "event_action": "trigger", "dedup_key": key, "payload": payload}
        http.post("/pagerduty/v2/enqueue", json=event, headers={"X-Sandbox-Fault": fault})
    taken, refused = sandbox.messages()
    assert taken.seen.view["incident"]["status"] == "triggered"
    assert refused.seen.view["incident"] is None


def test_a_tag_that_never_ends_is_read_in_no_time() -> None:
    with pytest.raises(MarkupError):
        html("<b" + " " * 20_000)
    assert html("<b " + "a" * 20_000 + ">x</b>")[0] == "x"


def test_what_the_answer_and_the_broken_rules_take_counts_towards_the_rings_bytes(
    http: httpx.Client, sandbox: Sandbox
) -> None:
    body = json.dumps({"personalizations": [{"to": [{}] * 500}]})
    head = {"Content-Type": "application/json", "Authorization": "Bearer SG.x"}
    answer = http.post("/sendgrid/v3/mail/send", content=body, headers=head)
    (message,) = sandbox.messages()
    assert message.size > len(answer.text) + 200 * len(message.broken)


def test_a_mail_nested_without_end_is_refused(sandbox: Sandbox) -> None:
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(2000))
    head = "From: a@e.example\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    with (
        smtplib.SMTP("127.0.0.1", sandbox.addresses.smtp_port, timeout=60) as client,
        pytest.raises(smtplib.SMTPDataError, match=r"5\.6\.0"),
    ):
        client.sendmail("a@e.example", ["b@e.example"], head + parts)
    assert [message.accepted for message in sandbox.messages()] == [False]


def test_the_page_is_given_no_list_of_what_are_no_objects(http: httpx.Client, sandbox: Sandbox) -> None:
    assert http.post(WEBHOOK, json={"text": "x", "attachments": [None, "x"]}).text == "invalid_attachments"
    assert http.post(WEBHOOK, json={"text": "x", "attachments": "x"}).text == "invalid_attachments"
    payload = {"summary": "x", "source": "x", "severity": "info"}
    event = {"routing_key": "5a" * 16, "event_action": "trigger", "payload": payload, "links": [None], "images": "x"}
    assert http.post("/pagerduty/v2/enqueue", json=event).status_code == 400
    views = [message.seen.view for message in sandbox.messages()]
    assert [view.get("attachments", view.get("links")) for view in views] == [[], [], []]


def test_characters_are_counted_as_utf_16_where_the_provider_does_not_say_how(http: httpx.Client) -> None:
    payload = {"summary": "😀" * 513, "source": "x", "severity": "info"}
    event = {"routing_key": "5a" * 16, "event_action": "trigger", "payload": payload}
    assert "too long" in http.post("/pagerduty/v2/enqueue", json=event).text


def test_castbrick_takes_the_names_of_its_api_and_not_those_of_its_client(http: httpx.Client) -> None:
    body = {"to": ["+244923000000"], "message": "Disk full"}
    answer = http.post("/castbrick/v1/sms/send", json=body, headers={"Authorization": "Bearer cb_x"})
    assert answer.status_code == 422
